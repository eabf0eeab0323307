using Frostline.Modules;
using Frostline.Optimization;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>The tensors of a training by section and name, and the way back.</summary>
internal static class TrainingTensors
{
    /// <summary>All tensors, live; what is made for it belongs to the caller's dispose scope.</summary>
    /// <param name="parts">What the training works with.</param>
    /// <param name="pending">Whether gradients wait for the next step.</param>
    public static IReadOnlyDictionary<string, IReadOnlyList<NamedTensor>> Of(TrainingParts parts, bool pending)
    {
        var sections = new Dictionary<string, IReadOnlyList<NamedTensor>>(StringComparer.Ordinal)
        {
            [TrainingCheckpoint.Model] =
                [.. ModuleTree.Of(parts.Runner.Network).DistinctTensors.Select(e => new NamedTensor(e.Name, e.Tensor))],
            [TrainingCheckpoint.Optimizer] = parts.Optimizer.State(),
        };
        if (parts.Average is { } average) sections[TrainingCheckpoint.Average] = average.State();
        if (pending)
        {
            sections[TrainingCheckpoint.Gradient] =
            [
                .. parts.Optimizer.Parameters
                    .Select(p => (p.Name, Gradient: p.Parameter.grad))
                    .Where(p => p.Gradient is not null)
                    .Select(p => new NamedTensor(p.Name, p.Gradient!)),
            ];
        }

        return sections;
    }

    /// <summary>
    /// Puts optimizer, average and waiting gradients back; the network's own tensors are restored before the plan is applied.
    /// </summary>
    /// <param name="parts">What the training works with.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <exception cref="FrostlineException">The checkpoint does not fit.</exception>
    public static void Restore(TrainingParts parts, TrainingCheckpoint checkpoint)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var report = parts.Optimizer.Restore(checkpoint.Read(TrainingCheckpoint.Optimizer));
        if (report.Dropped.Count > 0)
            throw new FrostlineException(
                $"the checkpoint holds optimizer state of \"{report.Dropped[0]}\", which is not trained; it is the checkpoint "
                    + "of another plan");
        parts.Average?.Restore(checkpoint.Read(TrainingCheckpoint.Average));
        if (checkpoint.State.Pending == 0) return;
        var gradients = checkpoint.Read(TrainingCheckpoint.Gradient);
        foreach (var (name, parameter) in parts.Optimizer.Parameters)
            parameter.grad = gradients.TryGetValue(name, out var gradient) ? gradient.to(parameter.device) : null;
    }
}
