using System.Diagnostics;
using System.Globalization;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Training.Sweeps;

/// <summary>What a sweep is told beside its recipe.</summary>
public sealed record SweepJobOptions
{
    /// <summary>The folder for <c>sweep.json</c>, <c>sweep.md</c> and the run folder of the best trial.</summary>
    public required string Output { get; init; }

    /// <summary>
    /// What is varied: for each key <c>key=value,value,…</c>. A key is an option of the optimizer, <c>seed</c>, or a path of the recipe that
    /// changes neither the data nor the frozen part.
    /// </summary>
    public required IReadOnlyList<string> Grid { get; init; }

    /// <summary>How many threads; null for the recipe's number.</summary>
    public int? Threads { get; init; }
}

/// <summary>What a sweep came to.</summary>
/// <param name="Summary">The content of <c>sweep.json</c>.</param>
/// <param name="Folder">The folder's full path.</param>
/// <param name="Best">The run of the best trial; null where there is none.</param>
public sealed record SweepResult(SweepSummary Summary, string Folder, TrainResult? Best)
{
    /// <summary>Whether everything is done; false where it was cancelled.</summary>
    public bool IsComplete => Summary.Complete && Best?.IsComplete != false;
}

/// <summary>
/// Trains many trials of one recipe together: what lies below the frost line is evaluated once for all, and in every epoch all trials learn from
/// one pass over what it puts out. Then the best one is run by itself.
/// </summary>
public sealed class SweepJob
{
    private readonly Recipe _recipe;
    private readonly SweepJobOptions _options;
    private readonly ITrainingObserver? _observer;
    private readonly string _folder;

    /// <summary>Prepares a sweep; nothing is touched.</summary>
    /// <param name="recipe">The recipe that is varied; read from YAML, not made in code.</param>
    /// <param name="options">What is varied, and where to.</param>
    /// <param name="observer">Is told what happens; null for nobody.</param>
    public SweepJob(Recipe recipe, SweepJobOptions options, ITrainingObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(options);
        (_recipe, _options, _observer) = (recipe, options, observer);
        _folder = Path.GetFullPath(options.Output);
    }

    private string JsonFile => Path.Combine(_folder, "sweep.json");

    /// <summary>
    /// Sweeps. On cancellation it stops after the current batch; what is known so far is written and returned.
    /// </summary>
    /// <param name="cancellation">Asks to stop.</param>
    /// <returns>What came of it; a trial that diverged is in it, and no error, unless the run of the best one diverges.</returns>
    /// <exception cref="FrostlineException">
    /// Something in the recipe, the grid, the data or the folder is wrong; the plan has phases or nothing below its frost line; or a key of the
    /// grid changes the frozen part.
    /// </exception>
    public SweepResult Run(CancellationToken cancellation = default)
    {
        var plans = Plans(out var grid);
        if (File.Exists(JsonFile) || Directory.Exists(Path.Combine(_folder, SweepFolder.Best)))
            throw new FrostlineException($"{_folder} holds a sweep already; give another output folder");
        Directory.CreateDirectory(_folder);
        using var log = new RunLog(Path.Combine(_folder, "log.txt"));
        var observer = new LoggingObserver(log, _observer);
        try
        {
            var summary = Train(plans, grid, observer, cancellation);
            Write(summary);
            if (!summary.Complete) observer.Note("cancelled; what is known so far is in sweep.json and sweep.md");
            return RunBest(plans, summary, observer, cancellation);
        }
        catch (Exception error)
        {
            log.Write($"failed: {error.Message}");
            throw;
        }
    }

    private IReadOnlyList<TrialPlan> Plans(out SweepGrid grid)
    {
        grid = SweepGrid.Of(_recipe, _options.Grid);
        return grid.Trials(_recipe);
    }

    private SweepSummary Train(IReadOnlyList<TrialPlan> plans, SweepGrid grid, LoggingObserver observer, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        using var trials = TrialSet.Create(plans, _options.Threads, observer);
        observer.Note($"{plans.Count} trials, {(trials.Groups.Count == 1 ? "all with equal batches" : $"in {trials.Groups.Count} groups with equal batches")}");
        try
        {
            var completed = trials.Run(observer, cancellation);
            return Summary(trials, grid, completed, clock.Elapsed.TotalSeconds);
        }
        catch (Exception error) when (MemoryHint.IsOutOfMemory(error))
        {
            throw new FrostlineException($"memory ran out with {plans.Count} trials; make several sweeps of fewer trials, which share the stored features, or lower train.batch-size", error);
        }
    }

    private SweepSummary Summary(TrialSet trials, SweepGrid grid, bool completed, double seconds)
    {
        var (metric, higher) = trials.Metric;
        double Sign(double value) => double.IsNaN(value) ? double.PositiveInfinity : higher ? -value : value;
        var rows = trials.Trials.Select(Of)
            .OrderBy(trial => trial.Ended == TrialEnd.Diverged).ThenBy(trial => trial.BestEpoch is null)
            .ThenBy(trial => Sign(trial.Metrics.GetValueOrDefault(metric, double.NaN)))
            .ThenBy(trial => trial.Metrics.GetValueOrDefault("loss", double.NaN)).ThenBy(trial => trial.Trial);
        return new SweepSummary
        {
            Version = ModelDescription.CurrentVersion,
            Name = _recipe.Name,
            Metric = metric,
            HigherIsBetter = higher,
            Grid = grid.Keys.ToDictionary(key => key.Name, key => key.Values, StringComparer.Ordinal),
            Complete = completed,
            Trials = [.. rows],
            Prefix = trials.Prefix,
            PrefixRows = trials.Groups.Sum(group => group.PrefixRows),
            StoredRows = trials.Groups.Sum(group => group.StoredRows),
            Stacked = trials.Groups.Sum(group => group.Stacked),
            Unreadable = [.. trials.Groups.SelectMany(group => group.Train.Skipped.Concat(group.Validate?.Skipped ?? [])).Select(sample => sample.Source).Distinct(StringComparer.Ordinal)],
            Seconds = seconds,
            Threads = trials.Threads,
        };
    }

    private static TrialSummary Of(Trial trial)
    {
        var state = trial.Course.State;
        var end = trial.Divergence is not null ? TrialEnd.Diverged : state.Ended switch
        {
            RunEnd.Finished => TrialEnd.Finished,
            RunEnd.StoppedEarly => TrialEnd.StoppedEarly,
            _ => TrialEnd.Cancelled,
        };
        IReadOnlyDictionary<string, double> metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        // Without validation the last epoch is the best one, and its training loss is all there is.
        if (state.Best is { } best)
            metrics = best.Metrics.Count > 0 ? best.Metrics : new Dictionary<string, double>(StringComparer.Ordinal) { ["loss"] = state.Epochs[best.Epoch - 1].Loss };
        return new TrialSummary(
            trial.Plan.Number, trial.Plan.Values, trial.Plan.Sets, end, trial.Divergence, state.Best?.Epoch, metrics,
            [.. state.Epochs.Select(epoch => new TrialEpoch(epoch.Epoch, epoch.Loss, epoch.Metrics))]);
    }

    private SweepResult RunBest(IReadOnlyList<TrialPlan> plans, SweepSummary summary, LoggingObserver observer, CancellationToken cancellation)
    {
        var best = summary.Trials[0];
        if (!summary.Complete || best.Ended == TrialEnd.Diverged || best.BestEpoch is null) return new SweepResult(summary, _folder, null);
        observer.Note($"the best is trial {best.Trial.ToString(CultureInfo.InvariantCulture)} ({string.Join(", ", best.Values.Select(value => $"{value.Key}={value.Value}"))}); it is run by itself now");
        var options = new TrainJobOptions { Output = Path.Combine(_folder, SweepFolder.Best), Threads = _options.Threads, Prefix = summary.Prefix };
        var result = new TrainJob(plans[best.Trial - 1].Recipe, options, new WithoutPlan(observer)).Run(cancellation);
        var run = result.Summary;
        var numbers = run.Best is { Metrics.Count: > 0 } reached ? reached.Metrics
            : new Dictionary<string, double>(StringComparer.Ordinal) { ["loss"] = run.Epochs.Count > 0 ? run.Epochs[^1].Loss : double.NaN };
        var difference = result.IsComplete ? Difference(best.Metrics, numbers) : (double?)null;
        summary = summary with
        {
            Best = new BestRun(best.Trial, SweepFolder.Best, result.IsComplete, difference, run.Epochs.Sum(epoch => epoch.PrefixRows)),
        };
        Write(summary);
        return new SweepResult(summary, _folder, result);
    }

    private void Write(SweepSummary summary)
    {
        AtomicFile.WriteText(JsonFile, summary.ToJson() + "\n");
        AtomicFile.WriteText(Path.Combine(_folder, "sweep.md"), SweepReport.ToMarkdown(summary));
    }

    private static double Difference(IReadOnlyDictionary<string, double> trial, IReadOnlyDictionary<string, double> run) => trial.Max(number =>
    {
        var other = run.GetValueOrDefault(number.Key, double.NaN);
        if (number.Value.Equals(other)) return 0;
        return Math.Abs(number.Value - other) / Math.Max(Math.Abs(number.Value), double.Epsilon);
    });

    /// <summary>Passes on all but the plan, which has been shown.</summary>
    private sealed class WithoutPlan(ITrainingObserver next) : ITrainingObserver
    {
        public void Note(string message) => next.Note(message);

        public void Prepared(FrozenModel frozen, InitializationReport initialization)
        {
        }

        public void Progress(TrainingProgress progress) => next.Progress(progress);

        public void EpochEnded(EpochSummary epoch, bool isBest) => next.EpochEnded(epoch, isBest);
    }
}

/// <summary>What lies in the folder of a sweep.</summary>
internal static class SweepFolder
{
    /// <summary>The run folder of the best trial.</summary>
    public const string Best = "best";
}
