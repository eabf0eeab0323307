using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Folds BatchNorms in inference mode into the convolution, deformable or not, or linear layer before them: with s = weight / sqrt(variance + eps), the layer's
/// weights of a channel are multiplied by s, and its bias becomes (bias - mean) s + bias of the norm. Computed in float64 and rounded once.
/// </summary>
internal static class GraphFolding
{
    /// <summary>Folds what can be folded.</summary>
    /// <param name="graph">A graph; it stays as it is.</param>
    /// <param name="owned">Is given the new weights, which the caller has to dispose; they belong to no dispose scope.</param>
    internal static RecordedGraph Fold(RecordedGraph graph, ICollection<Tensor> owned)
    {
        using var noGrad = no_grad();
        var readers = graph.Readers();
        var nodes = new List<GraphNode>();
        var renewed = new Dictionary<GraphNode, GraphNode>();
        foreach (var node in graph.Nodes)
        {
            // What the norm alone reads can take the norm in.
            if (node is { Step: BatchNormStep norm, Inputs: [var before] } && readers[before.Id] == 1 && Folded(renewed[before].Step, before.Shape.Count, norm, owned) is { } step)
            {
                var place = renewed[before].Id;
                renewed[node] = nodes[place] = new GraphNode(place, step, nodes[place].Inputs, node.Shape);
                continue;
            }

            nodes.Add(renewed[node] = new GraphNode(nodes.Count, node.Step, [.. node.Inputs.Select(input => renewed[input])], node.Shape));
        }

        return new RecordedGraph(nodes, [.. graph.Outputs.Select(output => (output.Name, renewed[output.Node]))]);
    }

    private static GraphStep? Folded(GraphStep layer, int dimensions, BatchNormStep norm, ICollection<Tensor> owned)
    {
        using var scope = NewDisposeScope();
        var scale = Scale(norm);
        switch (layer)
        {
            case ConvolutionStep convolution:
                return convolution with { Weight = Keep(Scaled(convolution, scale), convolution.Weight.dtype), Bias = Keep(Shifted(convolution.Bias, norm, scale), convolution.Weight.dtype) };
            case DeformableConvolutionStep convolution:
                return convolution with
                {
                    Weight = Keep(convolution.Weight.to(float64) * scale.reshape(-1, 1, 1, 1), convolution.Weight.dtype),
                    Bias = Keep(Shifted(convolution.Bias, norm, scale), convolution.Weight.dtype),
                };
            // The norm's channels, dimension 1, are the layer's only where there is no dimension between.
            case LinearStep linear when dimensions == 2:
                return linear with { Weight = Keep(linear.Weight.to(float64) * scale.unsqueeze(1), linear.Weight.dtype), Bias = Keep(Shifted(linear.Bias, norm, scale), linear.Weight.dtype) };
            default:
                return null;
        }

        Tensor Keep(Tensor value, ScalarType type)
        {
            var kept = value.to(type).contiguous().DetachFromDisposeScope();
            owned.Add(kept);
            return kept;
        }
    }

    private static Tensor Scale(BatchNormStep norm)
    {
        using Scalar epsilon = norm.Epsilon, one = 1;
        var scale = norm.Variance.to(float64).add(epsilon, one).rsqrt();
        return norm.Weight is null ? scale : scale * norm.Weight.to(float64);
    }

    private static Tensor Scaled(ConvolutionStep convolution, Tensor scale)
    {
        var weight = convolution.Weight.to(float64);
        var kernel = Enumerable.Repeat(1L, (int)weight.dim() - 2);
        if (!convolution.IsTransposed) return weight * scale.reshape([-1, 1, .. kernel]);
        // [in, out / groups, …]: the channels of each group of inputs.
        var groups = convolution.Groups;
        var grouped = weight.reshape([groups, weight.shape[0] / groups, .. weight.shape.Skip(1)]);
        return (grouped * scale.reshape([groups, 1, -1, .. kernel])).reshape(weight.shape);
    }

    private static Tensor Shifted(Tensor? bias, BatchNormStep norm, Tensor scale)
    {
        using Scalar one = 1, minus = -1;
        var centred = bias is null ? norm.Mean.to(float64).neg() : bias.to(float64).add(norm.Mean.to(float64), minus);
        var shifted = centred * scale;
        return norm.Bias is null ? shifted : shifted.add(norm.Bias.to(float64), one);
    }
}
