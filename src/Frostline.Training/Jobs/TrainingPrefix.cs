using Frostline.Freezing;
using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Features;
using Frostline.Training.Registration;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// The frozen prefix of a training, the engine that computes it, and the store of what it puts out; made anew when the plan changes.
/// </summary>
internal sealed class TrainingPrefix : IDisposable
{
    private readonly Workbench _bench;
    private readonly TrainingData _data;
    private readonly FrozenModel _frozen;
    private readonly NetworkRunner _runner;
    private readonly BatchLoader _loader;
    private readonly PrefixCaching _caching;
    private IPrefixEngine? _engine;

    /// <summary>Prepares; nothing is looked at yet.</summary>
    /// <param name="bench">The recipe, and where it runs.</param>
    /// <param name="data">The data.</param>
    /// <param name="frozen">The network with its plan.</param>
    /// <param name="runner">Runs the network; it is given the engine.</param>
    /// <param name="train">The loader of what is trained on; it is given the store.</param>
    /// <param name="validate">That of what is validated on, or null; likewise.</param>
    public TrainingPrefix(Workbench bench, TrainingData data, FrozenModel frozen, NetworkRunner runner, BatchLoader train, BatchLoader? validate)
    {
        (_bench, _data, _frozen, _runner, _loader) = (bench, data, frozen, runner, train);
        _caching = new PrefixCaching(bench.Recipe, data, train, validate);
    }

    /// <summary>How many trainings go through each epoch with batches of their own, for the decision whether to store; default 1.</summary>
    public int Passes { get; init; } = 1;

    /// <summary>What there is, for the summary.</summary>
    public PrefixSummary Summary { get; private set; } = new(null, [], null, null);

    /// <summary>Finds the prefix of the plan as it is now, and has the runner use an engine, and the loaders a store, for it.</summary>
    /// <param name="observer">Is told which, or why there is none.</param>
    /// <param name="plan">The plan with all of its phases.</param>
    /// <param name="epoch">The epoch that begins or is gone on with, from 0.</param>
    /// <param name="begun">How an interrupted training computed it; null for one that begins, or a new phase.</param>
    /// <exception cref="FrostlineException">The engine that the recipe names cannot compute the prefix, or what it wants stored cannot be.</exception>
    public void Open(ITrainingObserver observer, FreezePlan plan, int epoch, PrefixSummary? begun = null)
    {
        var end = plan.PhaseEpochs.Where(start => start > epoch).Append(_bench.Recipe.Train.Epochs).Min();
        Open(Math.Max(1, end - epoch) * Passes, begun?.Cache);
        observer.Note(Summary switch
        {
            { Engine: { } engine, RelativeError: { } error } => FormattableString.Invariant(
                $"{string.Join(", ", Summary.Stages)} computed by {engine}{(Summary.Precision == "float32" ? "" : $" in {Summary.Precision}")}, relative error {error:0.#e+0}"),
            _ => $"no part is computed apart: {Summary.Reason}",
        });
        if (Summary.Engine is null && FeatureAugmentation is { } augmentation)
        {
            var problem = $"changes what the frozen part puts out, and no part is computed apart: {Summary.Reason}";
            if (epoch == 0) throw _bench.Recipe.Error($"train.{augmentation}", problem);
            observer.Note($"warning: {augmentation} {problem}; it has no effect from here on");
        }

        foreach (var remark in Summary.Remarks) observer.Note($"warning: {remark}");
        if (Summary.Cache is { } cache) observer.Note($"{(cache.Used ? "features are stored" : "features are not stored")}: {cache.Reason}{Fixed(cache)}");
        if (begun is not null && (begun.Engine, begun.Precision) != (Summary.Engine, Summary.Precision))
            observer.Note($"the training began with the engine {begun.Engine ?? "none"} ({begun.Precision}) and goes on with {Summary.Engine ?? "none"} ({Summary.Precision}): its bits will differ from an uninterrupted one");
    }

    /// <summary>
    /// Has another network with the same frozen prefix use the engine, after <see cref="Open(ITrainingObserver, FreezePlan, int, PrefixSummary?)"/>.
    /// </summary>
    /// <param name="frozen">That network with its plan.</param>
    /// <param name="runner">Runs it.</param>
    public void Share(FrozenModel frozen, NetworkRunner runner) => runner.UsePrefix(FrozenPrefix.Find(frozen, null, out _), _engine);

    /// <summary>Has the loaders of another training use the stores, as far as there are any.</summary>
    /// <param name="recipe">What that training is.</param>
    /// <param name="data">Its data.</param>
    /// <param name="train">The loader of what it trains on.</param>
    /// <param name="validate">That of what it validates on, or null.</param>
    public void Share(Recipes.Recipe recipe, TrainingData data, BatchLoader train, BatchLoader? validate) =>
        _caching.Serve(recipe, data, train, validate);

    private string? FeatureAugmentation => _bench.Recipe.Train switch
    {
        { FeatureMixup: not null } => "feature-mixup",
        { FeatureBrightness: not null } => "feature-brightness",
        _ => null,
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        _caching.Dispose();
        _engine?.Dispose();
    }

    private static string Fixed(CacheSummary cache) => cache is { Used: true, IsExact: false }
        ? FormattableString.Invariant($"; random transforms are drawn in advance, {cache.Variants} fixed variants of each sample")
        : "";

    private void Open(int epochs, CacheSummary? begun)
    {
        _runner.UsePrefix(null, null);
        _caching.Close();
        _engine?.Dispose();
        _engine = null;
        if (Find(out var reason) is not { } prefix)
        {
            Summary = new PrefixSummary(null, [], null, reason);
            return;
        }

        using var scope = torch.NewDisposeScope();
        var (samples, count) = PrefixSamples.Of(_loader, prefix);
        var settings = _bench.Recipe.Prefix;
        var rows = Math.Min(FeatureCompletion.MostAtOnce, (int)(samples.Values.First().shape[0] / count * _loader.Options.BatchSize));
        var request = new PrefixEngineRequest(prefix, samples, rows, _bench.Threads, settings.Precision);
        var (engine, error, remarks) = _bench.Recipe.At("prefix.engine", () => settings.Engine!.Create(_data.Context).CreateChecked(request));
        _engine = engine;
        _runner.UsePrefix(prefix, engine);
        Summary = new PrefixSummary(engine.Name, [.. prefix.Schedule.Stages.Select(stage => stage.Name)], error, null)
        {
            Precision = engine.Precision,
            Remarks = remarks,
            Cache = prefix.Suffix is null ? null : _caching.Open(new CachedPrefix(prefix, engine, _runner.Inputs, epochs), begun),
        };
    }

    private FrozenPrefix? Find(out string? reason)
    {
        if (_bench.Recipe.Prefix.Engine is null)
        {
            reason = "the recipe names no engine";
            return null;
        }

        if (_bench.Device.type != DeviceType.CPU)
        {
            reason = "engines compute on the processor";
            return null;
        }

        return FrozenPrefix.Find(_frozen, null, out reason);
    }
}
