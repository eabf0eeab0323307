namespace Frostline.Selection;

/// <summary>What a node of a <see cref="SelectionTree"/> is.</summary>
public enum NodeKind
{
    /// <summary>A module; the root's name is empty.</summary>
    Module,

    /// <summary>A parameter.</summary>
    Parameter,

    /// <summary>A buffer: a tensor that belongs to a module and is not trained by gradients.</summary>
    Buffer,
}

/// <summary>A module, parameter or buffer, described by words only.</summary>
/// <param name="Name">The dotted name; empty for the root module.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Types">
/// For a module the names that <c>type:</c> matches, most specific first, for example <c>BatchNorm2d</c>, <c>BatchNorm</c>;
/// empty for parameters and buffers.
/// </param>
/// <param name="Stage">The stage that owns it, or null where the network has no stages.</param>
public sealed record SelectionNode(string Name, NodeKind Kind, IReadOnlyList<string> Types, string? Stage = null);

/// <summary>A network as selectors see it: names, types and stages, without libtorch.</summary>
public sealed class SelectionTree
{
    private readonly Lazy<int[]> _parents;
    private readonly Lazy<LayerDepths> _depths;

    /// <summary>Creates a tree.</summary>
    /// <param name="nodes">All nodes, parents before children, in the network's own order.</param>
    /// <param name="stages">The names of the stages in order; empty where the network has none.</param>
    public SelectionTree(IReadOnlyList<SelectionNode> nodes, IReadOnlyList<string>? stages = null)
    {
        Nodes = nodes ?? throw new ArgumentNullException(nameof(nodes));
        Stages = stages ?? [];
        _parents = new Lazy<int[]>(FindParents);
        _depths = new Lazy<LayerDepths>(() => LayerDepths.Of(this));
    }

    /// <summary>All nodes, parents before children.</summary>
    public IReadOnlyList<SelectionNode> Nodes { get; }

    /// <summary>The stages' names, in the order in which they run.</summary>
    public IReadOnlyList<string> Stages { get; }

    /// <summary>For each node the position of the nearest module above it; -1 where there is none.</summary>
    internal int[] Parents => _parents.Value;

    /// <summary>How deep each node lies.</summary>
    internal LayerDepths Depths => _depths.Value;

    private int[] FindParents()
    {
        var modules = new Dictionary<string, int>(StringComparer.Ordinal);
        var named = modules.GetAlternateLookup<ReadOnlySpan<char>>();
        var parents = new int[Nodes.Count];
        for (var i = 0; i < parents.Length; i++)
        {
            var (name, kind) = (Nodes[i].Name, Nodes[i].Kind);
            parents[i] = -1;
            // The nearest ancestor in the tree: a segment between may be missing where names were given by hand.
            for (var dot = name.Length; dot > 0 && parents[i] < 0;)
            {
                dot = name.LastIndexOf('.', dot - 1);
                if (named.TryGetValue(name.AsSpan(0, Math.Max(dot, 0)), out var parent)) parents[i] = parent;
                if (dot < 0) break;
            }

            if (kind == NodeKind.Module) modules.TryAdd(name, i);
        }

        return parents;
    }
}
