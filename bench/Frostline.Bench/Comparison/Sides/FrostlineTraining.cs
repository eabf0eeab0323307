using Frostline.Cli.Commands;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>A recipe, trained as the command does it.</summary>
internal sealed class FrostlineTraining(TrainingTask task) : ITrainingObserver
{
    private readonly TrainingClock _clock = new();

    /// <summary>Trains to the end.</summary>
    public SideReport Run()
    {
        var (path, output) = (Path.Combine(Repository.Artifacts, $"{task.Name}.yaml"), Path.Combine(Repository.Artifacts, $"{task.Name}.run"));
        foreach (var folder in task.Warm ? [output] : new[] { output, task.Store })
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        File.WriteAllText(path, TaskRecipe.Of(task));
        var recipe = Recipe.Load(path, Registries.Create(), []);
        var summary = new TrainJob(recipe, new TrainJobOptions { Output = output }, this).Run().Summary;
        if (summary.Audit.Moved > 0) throw new InvalidOperationException($"{summary.Audit.MovedNames[0]} was frozen and moved");
        return _clock.Report() with { FirstSteady = 1, Frozen = FrozenOf(summary) };
    }

    private static FrozenPart? FrozenOf(RunSummary summary) => summary.Prefix.Engine is not { } engine ? null : new FrozenPart(
        engine, [.. summary.Epochs.Select(epoch => epoch.PrefixRows)], [.. summary.Epochs.Select(epoch => epoch.StoredRows)]);

    void ITrainingObserver.Progress(TrainingProgress progress)
    {
        if (progress.Activity == TrainingActivity.Train) _clock.Step(progress.Loss);
    }

    void ITrainingObserver.EpochEnded(EpochSummary epoch, bool isBest) => _clock.Epoch();
}
