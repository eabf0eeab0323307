using System.Globalization;
using Frostline.Training.Sweeps;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>A recipe that is swept over learning rates as the command does it, the run of the best one included.</summary>
internal sealed class SweepTraining(TrainingTask task)
{
    /// <summary>Trains to the end.</summary>
    public SideReport Run()
    {
        var (recipe, output) = TaskRecipe.Load(task);
        var rates = string.Join(',', task.LearningRates.Select(rate => rate.ToString(CultureInfo.InvariantCulture)));
        var summary = new SweepJob(recipe, new SweepJobOptions { Output = output, Grid = [$"learning-rate={rates}"] }).Run().Summary;
        return new SideReport([], double.NaN, summary.Trials[0].Epochs[^1].Loss)
        {
            Frozen = FormattableString.Invariant(
                $"{summary.Prefix.Engine} evaluated {summary.PrefixRows} samples for {summary.Trials.Count} trials, and {summary.Best!.PrefixRows} for the run of the best"),
        };
    }
}
