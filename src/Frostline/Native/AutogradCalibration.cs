using TorchSharp;

namespace Frostline.Native;

/// <summary>
/// Finds where a node keeps its edges and an AccumulateGrad its variable: on a graph of one product, where both are known, then checks
/// what was found on a second graph with several outputs, an input that needs no gradient and five operations.
/// </summary>
internal static class AutogradCalibration
{
    // The first words of a node that are searched, 512 bytes: more than a node without saved tensors has.
    private const int Searched = 64;

    /// <summary>Calibrates; null, or a few words on what did not fit. Nothing is left behind.</summary>
    internal static string? Run(AutogradNodes nodes)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            return Find(nodes) ?? Check(nodes);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return $"libtorch fails on a small graph ({error.Message.Split('\n')[0]})";
        }
    }

    private static string? Find(AutogradNodes nodes)
    {
        var (a, b) = (Leaf(), Leaf());
        var product = a.mul(b);
        var view = product.unsqueeze(0);
        var (productNode, viewNode) = (nodes.NodeOf(product), nodes.NodeOf(view));
        if (nodes.NameOf(productNode) != "MulBackward0" || nodes.NameOf(viewNode) != "UnsqueezeBackward0")
            return "a product is not called MulBackward0";

        // The view has one input, the product; the product has two, which have none.
        int[] edges = [.. Offsets().Where(offset =>
            nodes.TryEdges(viewNode, offset) is [var input] && input == new AutogradEdge(productNode, 0)
            && nodes.TryEdges(productNode, offset) is [var left, var right] && left.Node != right.Node
            && nodes.TryEdges(left.Node, offset) is [] && nodes.TryEdges(right.Node, offset) is [])];
        if (edges is not [var edgesOffset]) return $"a node's edges were found at {edges.Length} places";
        nodes.EdgesOffset = edgesOffset;

        nint[] leaves = [.. nodes.Edges(productNode).Select(edge => edge.Node)];
        if (leaves.Any(leaf => nodes.NameOf(leaf) != "AccumulateGrad")) return "a leaf's node is not called AccumulateGrad";
        nodes.AccumulatorType = nodes.Words(leaves[0], 1)[0];
        var (first, second) = (nodes.Words(leaves[0], Searched), nodes.Words(leaves[1], Searched));
        var (firstVariable, secondVariable) = (nodes.ImplementationOf(a), nodes.ImplementationOf(b));
        int[] variables = [.. Enumerable.Range(0, Math.Min(first.Length, second.Length))
            .Where(word => first[word] == firstVariable && second[word] == secondVariable)];
        if (variables is not [var variableWord]) return $"a leaf's variable was found at {variables.Length} places";
        nodes.VariableOffset = variableWord * nint.Size;
        GC.KeepAlive(view);
        return null;
    }

    private static string? Check(AutogradNodes nodes)
    {
        var (weight, bias, data) = (Leaf(), Leaf(), torch.zeros(2, 2));
        var parts = weight.relu().unbind(0);
        var joined = torch.cat([parts[1].unsqueeze(0), data, bias.sigmoid()], 0);

        var join = nodes.NodeOf(joined);
        if (nodes.NameOf(join) != "CatBackward0" || nodes.Edges(join) is not [var part, { Node: 0 }, var sigmoid]) return Differs("concatenation");
        if (nodes.NameOf(part.Node) != "UnsqueezeBackward0" || nodes.Edges(part.Node) is not [{ Output: 1 } unbind]) return Differs("part");
        if (nodes.NameOf(unbind.Node) != "UnbindBackward0" || nodes.Edges(unbind.Node) is not [var relu]) return Differs("division");
        if (nodes.NameOf(relu.Node) != "ReluBackward0" || nodes.Edges(relu.Node) is not [var weightLeaf]) return Differs("ReLU");
        if (nodes.NameOf(sigmoid.Node) != "SigmoidBackward0" || nodes.Edges(sigmoid.Node) is not [var biasLeaf]) return Differs("sigmoid");
        if (!IsLeafOf(weightLeaf, weight) || !IsLeafOf(biasLeaf, bias)) return Differs("leaf");
        GC.KeepAlive(joined);
        return null;

        bool IsLeafOf(AutogradEdge edge, torch.Tensor variable) =>
            nodes.IsAccumulator(edge.Node) && nodes.NameOf(edge.Node) == "AccumulateGrad" && nodes.Edges(edge.Node) is []
            && nodes.VariableOf(edge.Node) == nodes.ImplementationOf(variable);
    }

    private static IEnumerable<int> Offsets() => Enumerable.Range(1, Searched - 3).Select(word => word * nint.Size);

    private static torch.Tensor Leaf() => torch.zeros(2, 2, requires_grad: true);

    private static string Differs(string what) => $"the check of what was measured fails at the {what}";
}
