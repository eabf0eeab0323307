using Frostline.Training.Jobs;
using Frostline.Training.Runs;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>A recipe, trained as the command does it.</summary>
internal sealed class FrostlineTraining(TrainingTask task) : ITrainingObserver
{
    private readonly TrainingClock _clock = new();

    /// <summary>Trains to the end.</summary>
    public SideReport Run()
    {
        var (recipe, output) = TaskRecipe.Load(task);
        var summary = new TrainJob(recipe, new TrainJobOptions { Output = output }, this).Run().Summary;
        if (summary.Audit.Moved > 0) throw new InvalidOperationException($"{summary.Audit.MovedNames[0]} was frozen and moved");
        return _clock.Report() with { FirstSteady = 1, Frozen = FrozenOf(summary) };
    }

    private static string? FrozenOf(RunSummary summary)
    {
        if (summary.Prefix.Engine is not { } engine) return null;
        var (first, later) = (summary.Epochs[0], summary.Epochs.Skip(1).ToList());
        return FormattableString.Invariant(
            $"{engine} evaluated {first.PrefixRows} samples in the first epoch, with {first.StoredRows} hits in the store, and {later.Sum(epoch => epoch.PrefixRows)} in {later.Count} more");
    }

    void ITrainingObserver.Progress(TrainingProgress progress)
    {
        if (progress.Activity == TrainingActivity.Train) _clock.Step(progress.Loss);
    }

    void ITrainingObserver.EpochEnded(EpochSummary epoch, bool isBest) => _clock.Epoch();
}
