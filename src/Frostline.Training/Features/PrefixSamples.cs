using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using TorchSharp;

namespace Frostline.Training.Features;

/// <summary>A few real samples, to check and to measure an engine on.</summary>
internal static class PrefixSamples
{
    private const int Most = 4;

    /// <summary>The prefix's inputs of the first samples that can be read.</summary>
    /// <param name="loader">The loader whose samples they are.</param>
    /// <param name="prefix">The prefix.</param>
    /// <returns>The inputs by name, owned by the caller's dispose scope; and of how many samples they are.</returns>
    /// <exception cref="FrostlineException">No sample can be read, or the data lack what the prefix reads.</exception>
    public static (Dictionary<string, torch.Tensor> Inputs, int Samples) Of(BatchLoader loader, FrozenPrefix prefix)
    {
        var options = loader.Options with { BatchSize = Most, BatchesAhead = 1, Workers = 1, Sampling = SamplingMode.Sequential, DropLast = false };
        using var few = new BatchLoader(loader.Dataset, options);
        using var batch = few.Epoch(0).First();
        var fields = HostTensors.Of(batch, torch.CPU);
        var inputs = prefix.Schedule.Inputs.ToDictionary(
            name => name,
            name => fields.TryGetValue(name, out var tensor)
                ? tensor
                : throw new FrostlineException($"the network reads \"{name}\", and the data has {string.Join(", ", fields.Keys)}"),
            StringComparer.Ordinal);
        return (inputs, batch.Count);
    }
}
