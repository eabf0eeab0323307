using System.Globalization;
using Frostline.Modules;
using Frostline.Optimization;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>A loss that is no number. The message names the step, and what is known of the cause.</summary>
public sealed class TrainingDivergedException : FrostlineException
{
    private TrainingDivergedException(long step, string message)
        : base(message) => Step = step;

    /// <summary>The step whose loss it is, from 1.</summary>
    public long Step { get; }

    /// <summary>Describes a loss that is no number, before its backward pass: gradients are those of the step before.</summary>
    internal static TrainingDivergedException Of(
        double loss,
        int epoch,
        long step,
        IReadOnlyDictionary<string, torch.Tensor> fields,
        IReadOnlyList<string> sources,
        torch.nn.Module network,
        IEnumerable<NamedParameter> parameters)
    {
        var where = string.Create(CultureInfo.InvariantCulture, $"the loss of step {step} (epoch {epoch}) is {loss}");
        if (BadField(fields, sources) is { } field)
            return new TrainingDivergedException(step, $"{where}: {field}; check the data and its transforms");
        var norms = Gradients.Norms(parameters);
        var largest = norms.Count == 0
            ? "there was no step before it"
            : "the largest gradients of the step before: "
                + string.Join(", ", norms.Take(3).Select(n => FormattableString.Invariant($"{n.Name} {n.Norm:G3}")));
        var broken = ModuleTree.Of(network).DistinctTensors
            .Where(entry => !IsFinite(entry.Tensor))
            .Select(entry => entry.Name)
            .ToList();
        var values = broken.Count == 0
            ? ""
            : $"; not finite: {string.Join(", ", broken.Take(3))}{(broken.Count > 3 ? $" and {broken.Count - 3} more" : "")}";
        return new TrainingDivergedException(
            step, $"{where}; {largest}{values}; lower the learning rate, warm up, or clip gradients");
    }

    private static string? BadField(IReadOnlyDictionary<string, torch.Tensor> fields, IReadOnlyList<string> sources)
    {
        foreach (var (name, tensor) in fields)
        {
            if (IsFinite(tensor)) continue;
            var row = Enumerable.Range(0, (int)tensor.shape[0]).First(i => !IsFinite(tensor[i]));
            // A sample may have several rows, one behind the other.
            var sample = (int)(row * sources.Count / tensor.shape[0]);
            return $"the field \"{name}\" of {(sample < sources.Count ? sources[sample] : $"row {row}")} is not finite";
        }

        return null;
    }

    private static bool IsFinite(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        return !tensor.is_floating_point() || tensor.isfinite().all().item<bool>();
    }
}
