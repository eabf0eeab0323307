namespace Frostline.Selection;

/// <summary>
/// How deep each node of a tree lies: how many layers come before it. The layers are the modules that hold parameters or buffers
/// themselves, in the order of the stages and within a stage in that of registration; a module with two names is a layer at each.
/// A tensor lies where its layer does, and a module with neither tensors nor submodules (an activation, a dropout) behind the layers
/// that come before it. Other modules have no depth: what is below a container lies at many depths.
/// </summary>
internal sealed class LayerDepths
{
    private const int None = -1;

    private readonly int[] _before;

    private LayerDepths(int layers, int[] before)
    {
        Layers = layers;
        _before = before;
    }

    /// <summary>The number of layers.</summary>
    internal int Layers { get; }

    /// <summary>The number of layers before a node, by its position in the tree; null where it has no depth.</summary>
    internal int? Before(int node) => _before[node] is var before and not None ? before : null;

    /// <summary>Measures a tree.</summary>
    internal static LayerDepths Of(SelectionTree tree)
    {
        var (nodes, parents) = (tree.Nodes, tree.Parents);
        var (holdsTensors, holdsModules) = (new bool[nodes.Count], new bool[nodes.Count]);
        for (var i = 0; i < nodes.Count; i++)
        {
            if (parents[i] < 0) continue;
            (nodes[i].Kind == NodeKind.Module ? holdsModules : holdsTensors)[parents[i]] = true;
        }

        var before = new int[nodes.Count];
        Array.Fill(before, None);
        var layers = 0;
        foreach (var i in InOrder(tree))
        {
            if (nodes[i].Kind != NodeKind.Module) continue;
            if (holdsTensors[i] || !holdsModules[i]) before[i] = layers;
            if (holdsTensors[i]) layers++;
        }

        for (var i = 0; i < nodes.Count; i++)
            if (nodes[i].Kind != NodeKind.Module && parents[i] >= 0) before[i] = before[parents[i]];

        // Only now: a layer with submodules gives its depth to its own tensors, but not to what is below it.
        for (var i = 0; i < nodes.Count; i++)
            if (nodes[i].Kind == NodeKind.Module && holdsModules[i]) before[i] = None;
        return new LayerDepths(layers, before);
    }

    /// <summary>The nodes' positions by stage, then by registration.</summary>
    private static IEnumerable<int> InOrder(SelectionTree tree)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var stage in tree.Stages) places.TryAdd(stage, places.Count);
        var stages = new int[tree.Nodes.Count];

        // What belongs to no stage (a pool that is called between two) goes with what was registered before it; a module whose
        // tensors alone belong to stages, with the first of these.
        var current = 0;
        for (var i = 0; i < stages.Length; i++)
        {
            if (tree.Nodes[i].Stage is { } stage && places.TryGetValue(stage, out var place)) current = place;
            stages[i] = current;
        }

        for (var i = stages.Length - 1; i >= 0; i--)
            if (tree.Nodes[i].Kind != NodeKind.Module && tree.Parents[i] is >= 0 and var owner && tree.Nodes[owner].Stage is null) stages[owner] = stages[i];
        return Enumerable.Range(0, stages.Length).OrderBy(i => stages[i]);
    }
}
