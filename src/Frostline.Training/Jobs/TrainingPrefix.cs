using Frostline.Freezing;
using Frostline.Staging;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>The frozen prefix of a training and the engine that computes it; made anew when the plan changes.</summary>
internal sealed class TrainingPrefix(Workbench bench, TrainingData data, FrozenModel frozen, NetworkRunner runner) : IDisposable
{
    /// <summary>On how many samples an engine is checked.</summary>
    private const int Samples = 4;

    private IPrefixEngine? _engine;

    /// <summary>What there is, for the summary.</summary>
    public PrefixSummary Summary { get; private set; } = new(null, [], null, null);

    /// <summary>Finds the prefix of the plan as it is now, and has the runner use an engine for it.</summary>
    /// <param name="observer">Is told which, or why there is none.</param>
    /// <param name="begun">How an interrupted training computed it; null for one that begins, or a new phase.</param>
    /// <exception cref="FrostlineException">The engine that the recipe names cannot compute the prefix.</exception>
    public void Open(ITrainingObserver observer, PrefixSummary? begun = null)
    {
        Open();
        observer.Note(Summary switch
        {
            { Engine: { } engine, RelativeError: { } error } => FormattableString.Invariant(
                $"{string.Join(", ", Summary.Stages)} computed by {engine}, relative error {error:0.#e+0}"),
            _ => $"no part is computed apart: {Summary.Reason}",
        });
        if (begun is not null && begun.Engine != Summary.Engine)
            observer.Note($"the training began with the engine {begun.Engine ?? "none"} and goes on with {Summary.Engine ?? "none"}: its bits will differ from an uninterrupted one");
    }

    private void Open()
    {
        runner.UsePrefix(null, null);
        _engine?.Dispose();
        _engine = null;
        if (Find(out var reason) is not { } prefix)
        {
            Summary = new PrefixSummary(null, [], null, reason);
            return;
        }

        using var scope = torch.NewDisposeScope();
        var samples = SamplesOf(prefix);
        var (engine, error) = bench.Recipe.At("prefix.engine", () => bench.Recipe.Prefix.Engine!.Create(data.Context).CreateChecked(prefix, samples));
        _engine = engine;
        runner.UsePrefix(prefix, engine);
        Summary = new PrefixSummary(engine.Name, [.. prefix.Schedule.Stages.Select(stage => stage.Name)], error, null);
    }

    public void Dispose() => _engine?.Dispose();

    private FrozenPrefix? Find(out string? reason)
    {
        if (bench.Recipe.Prefix.Engine is null)
        {
            reason = "the recipe names no engine";
            return null;
        }

        if (bench.Device.type != DeviceType.CPU)
        {
            reason = "engines compute on the processor";
            return null;
        }

        return FrozenPrefix.Find(frozen, null, out reason);
    }

    private Dictionary<string, torch.Tensor> SamplesOf(FrozenPrefix prefix)
    {
        using var loader = data.TrainLoader();
        using var batch = loader.Epoch(0).First();
        var fields = HostTensors.Of(batch, bench.Device);
        return prefix.Schedule.Inputs.ToDictionary(
            name => name,
            name => fields.TryGetValue(name, out var tensor)
                ? tensor.narrow(0, 0, Math.Min(Samples, tensor.shape[0]))
                : throw new FrostlineException($"the network reads \"{name}\", and the data has {string.Join(", ", fields.Keys)}"),
            StringComparer.Ordinal);
    }
}
