namespace Frostline.Autograd;

/// <summary>A gradient graph read from parameters up: which operations use them, and what lies below.</summary>
internal sealed class GradientPaths
{
    /// <summary>Operations that hand a parameter on as it is; what uses their result uses the parameter.</summary>
    private static readonly HashSet<string> s_views = new(StringComparer.Ordinal)
    {
        "T", "Transpose", "Permute", "View", "UnsafeView", "Reshape", "ReshapeAlias", "Expand", "Unsqueeze", "Squeeze", "Slice", "Select",
        "Alias", "AsStrided", "Split", "Clone", "ToCopy",
    };

    private readonly GradientGraph _graph;
    private readonly string?[] _carried;
    private readonly ILookup<string, int> _users;

    internal GradientPaths(GradientGraph graph)
    {
        _graph = graph;
        _carried = [.. graph.Nodes.Select(Carried)];
        _users = graph.Nodes.Where(node => _carried[node.Id] is null)
            .SelectMany(node => InputsOf(node.Id).Select(input => (Name: _carried[input], node.Id)))
            .Where(pair => pair.Name is not null).Distinct().ToLookup(pair => pair.Name!, pair => pair.Id, StringComparer.Ordinal);
    }

    /// <summary>The parameters among some that gradients reach through the operations which use another one, past it.</summary>
    /// <param name="parameter">That other one.</param>
    /// <param name="ofSameLayer">Whether a parameter is of the same layer, and so not below it.</param>
    /// <param name="wanted">Which parameters are looked for.</param>
    internal IReadOnlyList<string> Beneath(string parameter, Func<string, bool> ofSameLayer, Func<string, bool> wanted)
    {
        var starts = _users[parameter].SelectMany(InputsOf).Where(input => _carried[input] is not { } name || !ofSameLayer(name));
        return [.. Walk(starts, InputsOf).Select(node => _graph.Nodes[node].Parameter).OfType<string>().Where(wanted).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>
    /// Parameters of zeros that keep every gradient from another one, those nearest to the loss; empty where they are not the cause.
    /// </summary>
    /// <param name="parameter">That other one.</param>
    /// <param name="isZero">Whether all of a parameter is zero.</param>
    internal IReadOnlyList<string> ZerosAbove(string parameter, Func<string, bool> isZero)
    {
        var blocked = new Dictionary<int, IReadOnlyList<string>>();
        var reached = Walk(Outputs(), node =>
        {
            var (factors, open) = ZeroFactorsOf(node, isZero);
            if (factors.Count > 0) blocked[node] = factors;
            return open;
        });
        if (reached.Any(node => _graph.Nodes[node].Parameter == parameter)) return [];
        return [.. blocked.Where(pair => Walk([pair.Key], InputsOf).Any(node => _graph.Nodes[node].Parameter == parameter))
            .SelectMany(pair => pair.Value).Where(name => name != parameter).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>
    /// The factors of zeros that an operation has, and the inputs that gradients reach all the same: what is added, and the one factor that
    /// is zero.
    /// </summary>
    private (IReadOnlyList<string> Factors, IEnumerable<int> Open) ZeroFactorsOf(int node, Func<string, bool> isZero)
    {
        var all = InputsOf(node);
        if (AddedInput(Operation(node)) is not { } added) return ([], all);
        var inputs = _graph.Nodes[node].Inputs;
        var zeros = Enumerable.Range(0, inputs.Count)
            .Where(i => i != added && inputs[i].Node is { } input && _carried[input] is { } name && isZero(name)).ToList();
        if (zeros.Count == 0) return ([], all);
        var open = Enumerable.Range(0, inputs.Count).Where(i => inputs[i].Node is not null && (i == added || (zeros.Count == 1 && i == zeros[0])));
        return ([.. zeros.Select(i => _carried[inputs[i].Node!.Value]!)], open.Select(i => inputs[i].Node!.Value));
    }

    /// <summary>
    /// For an operation through which no gradient comes where a factor is zero: which of its inputs is added instead of multiplied, -1 for
    /// none; null for any other operation.
    /// </summary>
    private static int? AddedInput(string operation) => operation switch
    {
        "Addmm" or "Addmv" or "Baddbmm" or "Addbmm" => 0,
        "Convolution" or "NativeBatchNorm" or "CudnnBatchNorm" or "NativeLayerNorm" or "NativeGroupNorm" => 2,
        "Mm" or "Mv" or "Bmm" or "Mul" => -1,
        _ => null,
    };

    /// <summary>The nodes at and below some, without recursion.</summary>
    private static HashSet<int> Walk(IEnumerable<int> from, Func<int, IEnumerable<int>> next)
    {
        var seen = new HashSet<int>(from);
        var open = new Stack<int>(seen);
        while (open.TryPop(out var node))
        {
            foreach (var input in next(node))
                if (seen.Add(input)) open.Push(input);
        }

        return seen;
    }

    private IEnumerable<int> Outputs() => _graph.Outputs.Where(edge => !edge.IsCut).Select(edge => edge.Node!.Value);

    private IEnumerable<int> InputsOf(int node) => _graph.Nodes[node].Inputs.Where(edge => !edge.IsCut).Select(edge => edge.Node!.Value);

    /// <summary>The parameter that a node is, or hands on.</summary>
    private string? Carried(GradientNode node)
    {
        while (!node.IsLeaf)
        {
            if (!s_views.Contains(Operation(node.Id)) || node.Inputs is not [{ Node: { } input }]) return null;
            node = _graph.Nodes[input];
        }

        return node.Parameter;
    }

    /// <summary>The operation without <c>Backward0</c>.</summary>
    private string Operation(int node)
    {
        var name = _graph.Nodes[node].Operation;
        return name.IndexOf("Backward", StringComparison.Ordinal) is var end and > 0 ? name[..end] : name;
    }
}
