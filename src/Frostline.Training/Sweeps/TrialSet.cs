using System.Globalization;
using Frostline.Staging;
using Frostline.Training.Features;
using Frostline.Training.Jobs;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Sweeps;

/// <summary>All trials of a sweep, in groups with equal batches, and the frozen prefix that they share.</summary>
internal sealed class TrialSet : IDisposable
{
    private readonly List<TrialGroup> _groups = [];
    private readonly int? _threads;
    private TrainingPrefix? _prefix;

    private TrialSet(int? threads) => _threads = threads;

    /// <summary>The groups, in the order of their first trials.</summary>
    public IReadOnlyList<TrialGroup> Groups => _groups;

    /// <summary>The trials, in the order of their numbers.</summary>
    public IEnumerable<Trial> Trials => _groups.SelectMany(group => group.Trials).OrderBy(trial => trial.Plan.Number);

    /// <summary>How the prefix is computed.</summary>
    public PrefixSummary Prefix => _prefix!.Summary;

    /// <summary>How many threads libtorch computes with.</summary>
    public int Threads { get; private set; }

    /// <summary>The number by which trials are compared, and whether higher is better.</summary>
    public (string Name, bool HigherIsBetter) Metric
    {
        get
        {
            var first = _groups[0].Trials[0];
            return (first.Settings.Best, first.Evaluator?.Names[first.Settings.Best] ?? false);
        }
    }

    private Trial First => _groups[0].Trials[0];

    /// <summary>Sets all trials up.</summary>
    /// <param name="plans">Their values.</param>
    /// <param name="threads">How many threads; null for the recipe's number.</param>
    /// <param name="observer">Is told what there is to be known.</param>
    /// <exception cref="FrostlineException">A recipe is wrong, has nothing below the frost line, or has another frozen part than the first.</exception>
    public static TrialSet Create(IReadOnlyList<TrialPlan> plans, int? threads, ITrainingObserver observer)
    {
        var set = new TrialSet(threads);
        try
        {
            set.Open(plans, observer);
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Trains all trials, epoch by epoch, each as long as it goes on.</summary>
    /// <param name="observer">Is told of batches and epochs.</param>
    /// <param name="cancellation">Asks to stop after the current batch.</param>
    /// <returns>Whether all have ended by themselves.</returns>
    public bool Run(ITrainingObserver observer, CancellationToken cancellation)
    {
        var epochs = Trials.Max(trial => trial.Settings.Epochs);
        for (var epoch = 0; _groups.Exists(group => group.IsActive); epoch++)
        {
            var active = _groups.FindAll(group => group.IsActive);
            var (done, all) = (0, active.Sum(group => group.Batches));
            foreach (var group in active)
            {
                if (cancellation.IsCancellationRequested) return false;
                var before = done;
                var went = group.RunEpoch(
                    epoch,
                    (activity, batch) => observer.Progress(new TrainingProgress(activity, epoch + 1, epochs, before + batch, all, double.NaN, double.NaN)),
                    cancellation);
                if (!went) return false;
                done += group.Batches;
            }

            NoteEpoch(epoch, observer);
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _prefix?.Dispose();
        foreach (var group in _groups) group.Dispose();
    }

    private void Open(IReadOnlyList<TrialPlan> plans, ITrainingObserver observer)
    {
        var byKey = plans.GroupBy(plan => TrialGroup.KeyOf(plan.Recipe)).ToList();
        FrozenIdentity? identity = null;
        foreach (var key in byKey)
        {
            foreach (var plan in key)
            {
                var bench = Workbench.Open(plan.Recipe, _threads);
                if (ReferenceEquals(plan, key.First())) _groups.Add(new TrialGroup(plan.Recipe));
                var group = _groups[^1];
                var trial = new Trial(plan, bench, group.Data, group.Train.BatchesPerEpoch, group.Validate, observer, shows: identity is null);
                group.Add(trial, bench.Device);
                if (identity is null)
                {
                    Threads = bench.Threads;
                    identity = OpenPrefix(bench, group, byKey.Count, observer);
                    continue;
                }

                identity.Require(trial, First);
                trial.ShareFrozen(First);
                _prefix!.Share(trial.Frozen, trial.Runner);
            }

            if (_groups.Count > 1) _prefix!.Share(_groups[^1].Recipe, _groups[^1].Data, _groups[^1].Train, _groups[^1].Validate);
        }
    }

    private FrozenIdentity OpenPrefix(Workbench bench, TrialGroup group, int groups, ITrainingObserver observer)
    {
        observer.Note($"{group.Data.Train.Count} samples to train on, {group.Data.Validate?.Count ?? 0} to validate on");
        _prefix = new TrainingPrefix(bench, group.Data, First.Frozen, First.Runner, group.Train, group.Validate) { Passes = groups };
        _prefix.Open(observer, bench.CreatePlan(), epoch: 0);
        if (_prefix.Summary.Engine is null)
            throw bench.Recipe.Error("freeze", $"no part is computed apart ({_prefix.Summary.Reason}), so that trials have nothing to share; freeze the network from below, or run frostline train for each");
        var prefix = FrozenPrefix.Find(First.Frozen, null, out _)!;
        using var scope = torch.NewDisposeScope();
        var (samples, _) = PrefixSamples.Of(group.Train, prefix);
        return new FrozenIdentity(prefix, samples.ToDictionary(sample => sample.Key, IReadOnlyList<long> (sample) => sample.Value.shape, StringComparer.Ordinal));
    }

    private void NoteEpoch(int epoch, ITrainingObserver observer)
    {
        var (metric, higher) = Metric;
        var ended = Trials.Where(trial => trial.Divergence is null && trial.Course.State.Best is not null)
            .Select(trial => (trial.Plan.Number, Value: trial.Course.State.Best!.Metrics.GetValueOrDefault(metric, trial.Course.State.Epochs[^1].Loss))).ToList();
        var active = Trials.Count(trial => trial.IsActive);
        var diverged = Trials.Count(trial => trial.Divergence is not null);
        var best = ended.Count == 0 ? "no trial has ended an epoch" : Best(higher ? ended.MaxBy(trial => trial.Value) : ended.MinBy(trial => trial.Value));
        observer.Note(string.Create(CultureInfo.InvariantCulture, $"epoch {epoch + 1}: {best}; {active} trials go on{(diverged > 0 ? $", {diverged} diverged" : "")}"));

        string Best((int Number, double Value) trial) => string.Create(CultureInfo.InvariantCulture, $"best so far trial {trial.Number}, {metric} {trial.Value:G4}");
    }

    /// <summary>What the frozen part of the first trial computes, to be compared with that of others.</summary>
    private sealed class FrozenIdentity
    {
        private readonly IReadOnlyDictionary<string, IReadOnlyList<long>> _shapes;
        private readonly string _text;

        public FrozenIdentity(FrozenPrefix prefix, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
        {
            _shapes = shapes;
            _text = TextOf(prefix);
        }

        public void Require(Trial trial, Trial first)
        {
            var prefix = FrozenPrefix.Find(trial.Frozen, null, out _);
            if (prefix is not null && TextOf(prefix) == _text) return;
            var keys = trial.Plan.Values.Where(value => first.Plan.Values[value.Key] != value.Value).Select(value => value.Key).ToList();
            throw new FrostlineException(
                $"--grid {string.Join(" or ", keys)}: trial {trial.Plan.Number} ({string.Join(", ", trial.Plan.Values.Select(value => $"{value.Key}={value.Value}"))}) "
                + "has another frozen part than trial 1, and all trials share one; take out of the grid what changes values, rules or options below the frost line");
        }

        private string TextOf(FrozenPrefix prefix) => string.Join(
            '\n', [prefix.FrostLine, .. prefix.Schedule.Stages.Select(stage => stage.Name), .. prefix.Schedule.Outputs, prefix.Identity(_shapes)]);
    }
}
