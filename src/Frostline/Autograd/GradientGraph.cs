using Frostline.Modules;
using Frostline.Native;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>An operation of a gradient graph, or a leaf.</summary>
/// <param name="Id">Its place in <see cref="GradientGraph.Nodes"/>.</param>
/// <param name="Operation">As PyTorch prints it: <c>MulBackward0</c>; <c>AccumulateGrad</c> for a leaf.</param>
/// <param name="IsLeaf">Whether gradients end here, in the <c>grad</c> of a tensor.</param>
/// <param name="Parameter">
/// The name of a leaf's parameter; null for an operation, where no module was given, and for a leaf that is no parameter of it.
/// </param>
/// <param name="Inputs">What it was computed from, in the order of the operation's arguments.</param>
public sealed record GradientNode(int Id, string Operation, bool IsLeaf, string? Parameter, IReadOnlyList<GradientEdge> Inputs);

/// <summary>An input of an operation.</summary>
/// <param name="Node">
/// The <see cref="GradientNode.Id"/> of what computed it; null where it is cut: no gradient passes, because that argument is frozen, data,
/// detached, computed without a graph, or was left out. Which of these it is, and of which tensor, libtorch does not keep.
/// </param>
/// <param name="Output">Which of that node's outputs it is; 0 for most.</param>
public readonly record struct GradientEdge(int? Node, int Output)
{
    /// <summary>Whether no gradient passes.</summary>
    public bool IsCut => Node is null;
}

/// <summary>
/// The graph along which <c>backward</c> will go: from tensors down to the parameters that they depend on. A picture taken once; it holds no
/// tensor, and <c>backward</c> may run before or after.
/// </summary>
/// <remarks>
/// PyTorch offers it as <c>grad_fn</c> and <c>next_functions</c>, TorchSharp not at all. It is read from libtorch's own nodes on Linux x64,
/// whose layout is measured on small known graphs at first use; where that fails, nothing but this fails.
/// </remarks>
public sealed class GradientGraph
{
    /// <summary>The most nodes that a graph may have; a larger one is refused.</summary>
    public const int MostNodes = 1_000_000;

    internal GradientGraph(IReadOnlyList<GradientEdge> outputs, IReadOnlyList<GradientNode> nodes) => (Outputs, Nodes) = (outputs, nodes);

    /// <summary>The given tensors, in their order; cut where a tensor needs no gradient.</summary>
    public IReadOnlyList<GradientEdge> Outputs { get; }

    /// <summary>Operations and leaves, each once, those nearest to the tensors first.</summary>
    public IReadOnlyList<GradientNode> Nodes { get; }

    /// <summary>The names of the parameters that gradients reach, in the order of <see cref="Nodes"/>.</summary>
    public IEnumerable<string> Parameters => Nodes.Select(node => node.Parameter).OfType<string>();

    /// <summary>Walks down from one tensor.</summary>
    /// <param name="tensor">The tensor, a loss for example.</param>
    /// <param name="module">The network whose parameters' names the leaves get, or null.</param>
    /// <exception cref="FrostlineException">The graph has more than <see cref="MostNodes"/> nodes.</exception>
    /// <exception cref="PlatformNotSupportedException">Another system than Linux x64, or another libtorch.</exception>
    public static GradientGraph Of(torch.Tensor tensor, torch.nn.Module? module = null) => Of([tensor], module);

    /// <summary>Walks down from several tensors; what they share is there once.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <param name="module">The network whose parameters' names the leaves get, or null.</param>
    /// <exception cref="FrostlineException">The graph has more than <see cref="MostNodes"/> nodes.</exception>
    /// <exception cref="PlatformNotSupportedException">Another system than Linux x64, or another libtorch.</exception>
    public static GradientGraph Of(IReadOnlyList<torch.Tensor> tensors, torch.nn.Module? module = null) => Of(tensors, module, MostNodes);

    internal static GradientGraph Of(IReadOnlyList<torch.Tensor> tensors, torch.nn.Module? module, int mostNodes)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var native = AutogradNodes.Current;
        var holds = new List<AutogradHold>();
        try
        {
            var roots = new AutogradEdge[tensors.Count];
            for (var i = 0; i < roots.Length; i++)
            {
                if (!tensors[i].requires_grad) continue;
                holds.Add(new AutogradHold(tensors[i]));
                roots[i] = holds[^1].Root(native);
            }

            var walk = new Walk(native, NamesOf(module, native), mostNodes);
            GradientEdge[] outputs = [.. roots.Select(walk.Edge)];
            var graph = new GradientGraph(outputs, walk.Run());
            GC.KeepAlive(module);
            return graph;
        }
        finally
        {
            foreach (var hold in holds) hold.Dispose();
        }
    }

    /// <summary>A table: a line for each tensor and operation, and what it was computed from.</summary>
    public string ToText() => GradientGraphText.Table(this);

    /// <summary>The graph in Graphviz' language, <c>dot -Tsvg</c> for one.</summary>
    public string ToDot() => GradientGraphText.Dot(this);

    /// <summary>The graph as a Mermaid flow chart, which Markdown viewers draw.</summary>
    public string ToMermaid() => GradientGraphText.Mermaid(this);

    /// <inheritdoc cref="ToText"/>
    public override string ToString() => ToText();

    /// <summary>The first name of each parameter, by the tensor that libtorch knows.</summary>
    private static Dictionary<nint, string> NamesOf(torch.nn.Module? module, AutogradNodes native)
    {
        var names = new Dictionary<nint, string>();
        if (module is null) return names;
        foreach (var entry in ModuleTree.Of(module).Tensors.Where(entry => entry.Kind == NodeKind.Parameter))
            names.TryAdd(native.ImplementationOf(entry.Tensor), entry.Name);
        return names;
    }

    /// <summary>One walk, nearest first, without recursion: a recurrent network's graph is as deep as its sequence is long.</summary>
    private sealed class Walk(AutogradNodes native, Dictionary<nint, string> names, int mostNodes)
    {
        private readonly Dictionary<nint, int> _ids = [];
        private readonly List<nint> _found = [];

        internal GradientEdge Edge(AutogradEdge edge)
        {
            if (edge.Node == 0) return default;
            if (_ids.TryGetValue(edge.Node, out var id)) return new GradientEdge(id, edge.Output);
            if (_found.Count == mostNodes)
                throw new FrostlineException($"the gradient graph has more than {mostNodes} nodes; take the graph of a shorter computation");
            _found.Add(edge.Node);
            return new GradientEdge(_ids[edge.Node] = _found.Count - 1, edge.Output);
        }

        internal List<GradientNode> Run()
        {
            var nodes = new List<GradientNode>();
            while (nodes.Count < _found.Count)
            {
                var node = _found[nodes.Count];
                var isLeaf = native.IsAccumulator(node);
                var name = isLeaf ? names.GetValueOrDefault(native.VariableOf(node)) : null;
                nodes.Add(new GradientNode(nodes.Count, native.NameOf(node), isLeaf, name, [.. native.Edges(node).Select(Edge)]));
            }

            return nodes;
        }
    }
}
