using TorchSharp.Modules;

namespace Frostline.Staging;

/// <summary>
/// Stages that are one linear layer: their only output is x W^T + b of their only input, flattened. Heads of several trainings that are of this
/// kind can be computed as one matrix product.
/// </summary>
/// <param name="Input">The name of the tensor that it reads, [N, ...].</param>
/// <param name="Output">The name of the tensor that it writes, [N, outputs].</param>
/// <param name="Layer">The layer; it stays the network's.</param>
public sealed record LinearHead(string Input, string Output, Linear Layer)
{
    /// <summary>Sees whether stages are one linear layer.</summary>
    /// <param name="suffix">The stages, with their network in training mode, so that an active dropout is seen.</param>
    /// <param name="shapes">The shape of each input, the batch included.</param>
    /// <returns>The layer; null where the stages are anything else.</returns>
    /// <exception cref="FrostlineException">A shape is missing or does not fit.</exception>
    public static LinearHead? Find(StageSchedule suffix, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        ArgumentNullException.ThrowIfNull(suffix);
        ArgumentNullException.ThrowIfNull(shapes);
        if (suffix.Inputs.Count != 1 || suffix.Outputs.Count != 1) return null;
        try
        {
            var graph = RecordedGraph.Of(suffix, shapes);
            var last = graph.Nodes[^1];
            if (graph.Nodes[0].Step is not InputStep || last.Step is not LinearStep step) return null;
            if (graph.Nodes.Skip(1).SkipLast(1).Any(node => node.Step is not FlattenStep { From: 1 }) || last.Inputs[0].Shape.Count != 2 || graph.Outputs[0].Node != last) return null;
            var layer = suffix.Stages.SelectMany(stage => stage.Modules).SelectMany(module => module.modules().Prepend(module)).OfType<Linear>()
                .FirstOrDefault(linear => ReferenceEquals(linear.weight, step.Weight) && ReferenceEquals(linear.bias, step.Bias));
            return layer is null ? null : new LinearHead(suffix.Inputs[0], suffix.Outputs[0], layer);
        }
        catch (NotCompilableException)
        {
            return null;
        }
    }
}
