using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Rounds the weights of a graph to another type.</summary>
internal static class GraphConversion
{
    /// <summary>The same graph with weights of another type.</summary>
    /// <param name="graph">A graph; it stays as it is.</param>
    /// <param name="type">The type.</param>
    /// <param name="owned">Is given the new weights, which the caller has to dispose; they belong to no dispose scope.</param>
    /// <exception cref="NotCompilableException">A step has no kernel for the type.</exception>
    internal static RecordedGraph To(RecordedGraph graph, ScalarType type, ICollection<Tensor> owned)
    {
        using var noGrad = no_grad();
        var nodes = new List<GraphNode>();
        foreach (var node in graph.Nodes)
            nodes.Add(new GraphNode(node.Id, Converted(node.Step), [.. node.Inputs.Select(input => nodes[input.Id])], node.Shape));
        return new RecordedGraph(nodes, [.. graph.Outputs.Select(output => (output.Name, nodes[output.Node.Id]))]);

        GraphStep Converted(GraphStep step) => step switch
        {
            ConvolutionStep layer => layer with { Weight = Cast(layer.Weight)!, Bias = Cast(layer.Bias) },
            LinearStep layer => layer with { Weight = Cast(layer.Weight)!, Bias = Cast(layer.Bias) },
            BatchNormStep norm => norm with { Mean = Cast(norm.Mean)!, Variance = Cast(norm.Variance)!, Weight = Cast(norm.Weight), Bias = Cast(norm.Bias) },
            SampleNormStep norm => norm with { Weight = Cast(norm.Weight), Bias = Cast(norm.Bias) },
            // Places on a map need more digits than the type may have.
            not TranslateStep when !step.Weights.Any() => step,
            _ => throw new NotCompilableException($"a {step.Describe()} has no kernel for {type}"),
        };

        Tensor? Cast(Tensor? weight)
        {
            if (weight is null) return null;
            var cast = weight.to(type).DetachFromDisposeScope();
            owned.Add(cast);
            return cast;
        }
    }
}
