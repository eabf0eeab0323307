using System.Diagnostics;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>What a training is told beside its recipe.</summary>
public sealed record TrainJobOptions
{
    /// <summary>The run folder.</summary>
    public required string Output { get; init; }

    /// <summary>
    /// Whether a training whose checkpoint is in the folder is gone on with; where there is none yet, it begins. Default false: a
    /// folder that holds a run is an error.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>
    /// How many threads; null for the recipe's number. A resumed training without either keeps the number that it began with.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>How the sweep that the training belongs to computed the prefix, and whether it stored features; null for a training by itself.</summary>
    internal PrefixSummary? Prefix { get; init; }
}

/// <summary>What a training came to.</summary>
/// <param name="Summary">The content of <c>summary.json</c>.</param>
/// <param name="Folder">The run folder.</param>
public sealed record TrainResult(RunSummary Summary, RunFolder Folder)
{
    /// <summary>Whether it is done; false where it was cancelled.</summary>
    public bool IsComplete => Summary.Ended != RunEnd.Cancelled;
}

/// <summary>Trains what a recipe describes, from initialisation to report.</summary>
public sealed class TrainJob
{
    private readonly Recipe _recipe;
    private readonly TrainJobOptions _options;
    private readonly ITrainingObserver? _observer;
    private readonly RunFolder _folder;

    /// <summary>Prepares a training; nothing is touched.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="options">Where to, and how.</param>
    /// <param name="observer">Is told what happens; null for nobody.</param>
    public TrainJob(Recipe recipe, TrainJobOptions options, ITrainingObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(options);
        (_recipe, _options, _observer) = (recipe, options, observer);
        _folder = new RunFolder(options.Output);
    }

    /// <summary>
    /// Trains. On cancellation it stops after the current batch, with everything saved; the result says so. A training that had
    /// ended already is only reported.
    /// </summary>
    /// <param name="cancellation">Asks to stop.</param>
    /// <returns>What came of it; a frozen tensor that moved is in <see cref="RunSummary.Audit"/>, and no error here.</returns>
    /// <exception cref="FrostlineException">
    /// Something in the recipe, the data or the run folder is wrong, the loss is no number, or the diagnosis before the first step found
    /// that something trained would get no gradient.
    /// </exception>
    public TrainResult Run(CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        using var checkpoint = _folder.Open(_options.Resume) ? TrainingCheckpoint.Open(_folder.Last) : null;
        var history = HistoryOf(checkpoint);
        using var log = new RunLog(_folder.Log);
        var observer = new LoggingObserver(log, _observer);
        try
        {
            return Run(checkpoint, history, observer, clock, cancellation);
        }
        catch (Exception error)
        {
            log.Write($"failed: {error.Message}");
            throw;
        }
    }

    private TrainResult Run(
        TrainingCheckpoint? checkpoint, PlanHistory history, LoggingObserver observer, Stopwatch clock, CancellationToken cancellation)
    {
        var bench = Workbench.Open(_recipe, _options.Threads ?? _recipe.Threads ?? checkpoint?.State.Threads);
        if (checkpoint is not null) NoteOtherThreads(checkpoint.State.Threads, bench.Threads, observer);
        var data = bench.OpenData();
        observer.Note($"{data.Train.Count} samples to train on, {data.Validate?.Count ?? 0} to validate on");
        foreach (var problem in data.Problems()) observer.Note($"warning: {problem}");
        using var network = bench.CreateNetwork(data);
        var report = Initialize(bench, network, data, checkpoint, observer);
        var plan = bench.CreatePlan();
        if (checkpoint is null) TrainingDiagnosis.Require(bench, data, network, report, observer);
        using var frozen = checkpoint is null ? bench.ApplyPlan(network, report) : TrainingPhases.Resume(bench, history, network, report, checkpoint);
        observer.Prepared(frozen, report);
        using var optimizer = bench.CreateOptimizer(frozen, data);
        using var average = _recipe.Train.Ema is { } decay ? new ExponentialAverage(TrainingPhases.Changing(frozen), decay) : null;
        var audits = new RunAudits(_recipe, _folder);
        WriteBeginning(report, audits, frozen, isFresh: checkpoint is null, history.IsNew);
        using var loader = data.TrainLoader();
        using var validation = data.ValidateLoader();
        using var metricsLog = new MetricsLog(_folder.Metrics, checkpoint?.State.MetricsLength ?? 0);
        var metrics = bench.CreateMetrics(data);
        var runner = new NetworkRunner(network);
        using var prefix = new TrainingPrefix(bench, data, frozen, runner, loader, validation);
        prefix.Open(observer, plan, checkpoint?.State.Epoch ?? 0, checkpoint?.State.Prefix ?? _options.Prefix);
        var loss = bench.CreateLoss(data);
        var parts = new TrainingParts
        {
            Runner = runner,
            Frozen = frozen,
            Plan = plan,
            Audit = () => audits.Audit(frozen),
            PhaseBegan = epoch =>
            {
                audits.Copy(frozen);
                prefix.Open(observer, plan, epoch);
            },
            Prefix = () => prefix.Summary,
            Optimizer = optimizer,
            Loss = loss,
            Loader = loader,
            Evaluator = validation is null ? null : new Evaluator(runner, validation, loss, metrics, bench.Device),
            Average = average,
            Device = bench.Device,
            Folder = _folder,
            Metrics = metricsLog,
            Observer = observer,
            SaveModel = Saving(frozen, report, data),
            CheckpointMetadata = MetadataOf(report, history),
        };
        if (checkpoint is not null) TrainingTensors.Restore(parts, checkpoint);
        var state = checkpoint?.State ?? new TrainingState { InitializeSeconds = clock.Elapsed.TotalSeconds };
        var settings = bench.CreateLoopSettings(data, validation is null ? "loss" : bench.BestMetric(metrics));
        var loop = new TrainingLoop(parts, settings, state with { Threads = bench.Threads });
        if (history.IsNew)
        {
            observer.Note("the freeze rules are others than before");
            loop.EnterPhase();
        }

        var end = loop.Run(cancellation);
        return Finish(bench, data, report, frozen, audits, loop.State, end, loader, observer);
    }

    private static InitializationReport Initialize(
        Workbench bench, torch.nn.Module network, TrainingData data, TrainingCheckpoint? checkpoint, LoggingObserver observer)
    {
        if (checkpoint is null)
        {
            var report = bench.Initialize(network, data, observer);
            foreach (var warning in report.Warnings) observer.Note($"warning: {warning}");
            return report;
        }

        checkpoint.RestoreModel(network);
        observer.Note($"resumed at epoch {checkpoint.State.Epoch + 1}, batch {checkpoint.State.Batch}, step "
            + $"{checkpoint.State.Step}");
        return InitializationReport.FromJson(checkpoint.Metadata[ModelFile.ProvenanceKey]);
    }

    private static void NoteOtherThreads(int then, int now, LoggingObserver observer)
    {
        if (then != now)
            observer.Note($"the training began with {then} threads and goes on with {now}: its bits will differ from an uninterrupted one");
    }

    private void WriteBeginning(InitializationReport report, RunAudits audits, FrozenModel frozen, bool isFresh, bool isOtherPlan)
    {
        if (isFresh)
        {
            AtomicFile.WriteText(_folder.InitialValues, report.ToJson());
            audits.Copy(frozen);
        }

        if (isFresh || isOtherPlan) AtomicFile.WriteText(_folder.Recipe, _recipe.ToYaml());
    }

    private Action<string> Saving(FrozenModel frozen, InitializationReport report, TrainingData data)
    {
        var metadata = ModelDescription.Of(_recipe, data.Classes, data.Context.Facts).ToMetadata();
        // What a phase that is over has trained is trained too.
        return path => ModelFile.Save(frozen.Network, path, metadata, report.WithTrained(frozen.EverChanging));
    }

    private TrainResult Finish(
        Workbench bench,
        TrainingData data,
        InitializationReport report,
        FrozenModel frozen,
        RunAudits audits,
        TrainingState state,
        RunEnd end,
        BatchLoader loader,
        LoggingObserver observer)
    {
        var audit = audits.Audit(frozen);
        var moved = audit.Moved.ToList();
        if (end != RunEnd.Cancelled)
        {
            // The best epoch's network is the result; reading it back shows what really lies in the file.
            AtomicFile.Write(_folder.Model, stream =>
            {
                using var best = File.OpenRead(_folder.Best);
                best.CopyTo(stream);
            });
            moved.AddRange(
                audits.AuditFile(frozen, _folder.Model).Moved.Where(m => moved.TrueForAll(other => other.Name != m.Name)));
            foreach (var tensor in audit.TrainedButUnmoved)
                observer.Note($"{tensor.Name} was to be trained and did not change: {tensor.Cause}");
        }

        foreach (var tensor in moved) observer.Note($"frozen, and moved: {tensor}");
        var summary = Summaries.Of(_recipe, bench, data, report, frozen, state, end) with
        {
            Audit = new AuditSummary(
                audit.FrozenTensors, moved.Count, [.. moved.Select(m => m.Name)], [.. audit.StatedDrift.Select(m => m.Name)]),
            Unreadable = [.. state.Unreadable.Union(loader.Skipped.Select(s => s.Source), StringComparer.Ordinal)],
        };
        AtomicFile.WriteText(_folder.Summary, summary.ToJson() + "\n");
        observer.Note(end switch
        {
            RunEnd.Finished => "finished",
            RunEnd.StoppedEarly => $"stopped early: no better value in {_recipe.Train.EarlyStopping!.Patience} epochs",
            _ => "cancelled; everything is saved",
        });
        return new TrainResult(summary, _folder);
    }

    /// <summary>Which freeze rules the training has had. They may be others now; anything else that differs is refused.</summary>
    private PlanHistory HistoryOf(TrainingCheckpoint? checkpoint)
    {
        if (checkpoint is null) return PlanHistory.None;
        var (then, now) = (checkpoint.Metadata.GetValueOrDefault(TrainingCheckpoint.RecipeKey, ""), Comparable(_recipe));
        if (then == now) return PlanHistory.Of(checkpoint, then, isOther: false);
        if (_recipe.Registry is { } registry)
        {
            var former = Recipe.Parse(then, _folder.Last, _recipe.Folder, registry);
            RefuseDifference(Comparable(former with { Freeze = [] }), Comparable(_recipe with { Freeze = [] }));
        }
        else
        {
            RefuseDifference(then, now);
        }

        return PlanHistory.Of(checkpoint, then, isOther: true);
    }

    private Dictionary<string, string> MetadataOf(InitializationReport report, PlanHistory history)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [TrainingCheckpoint.RecipeKey] = Comparable(_recipe),
            [ModelFile.ProvenanceKey] = report.ToJson(),
        };
        history.AddTo(metadata);
        return metadata;
    }

    private void RefuseDifference(string one, string other)
    {
        var (then, now) = (one.Split('\n'), other.Split('\n'));
        for (var i = 0; i < Math.Max(then.Length, now.Length); i++)
        {
            var (before, after) = (i < then.Length ? then[i].Trim() : "nothing", i < now.Length ? now[i].Trim() : "nothing");
            if (before != after)
                throw new FrostlineException(
                    $"{_folder.Path} was begun with another recipe: \"{before}\" then, \"{after}\" now; go on with the same "
                        + "recipe (only freeze may change), or train into another folder");
        }
    }

    /// <summary>The recipe without what may differ when a training is resumed.</summary>
    private static string Comparable(Recipe recipe) =>
        (recipe with
        {
            Name = null,
            Threads = null,
            TestTime = null,
            Data = recipe.Data with { Workers = 1 },
            Train = recipe.Train with { Diagnosis = DiagnosisMode.Stop },
            Prefix = recipe.Prefix with { Location = null, MaxGigabytes = null, KeepFreeGigabytes = null, MemoryGigabytes = null },
        }).ToYaml();
}
