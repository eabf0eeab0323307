namespace Frostline.Bench.Comparison.Cases;

/// <summary>How fast a head is trained on features that are in the store, on one core.</summary>
/// <param name="runs">The trainings.</param>
/// <param name="task">The training.</param>
/// <param name="filling">What computes the features before.</param>
internal sealed class HeadStepCase(TrainingRuns runs, TrainingTask task, TrainingTask filling) : TrainingCase(runs)
{
    public override string Name => "head-step";

    public override string Title => $"step of a head of 2048 x 10 from the warm store, batch {task.BatchSize}, one core";

    public override string Against => "";

    public override string Unit => "samples/s";

    public override Target Target => Target.Least(100_000);

    public override Pair Measure(int pair)
    {
        Runs.Get(Side.Frostline, filling, 1);
        return new Pair(task.BatchSize / Runs.Get(Side.Frostline, task, pair).Report.Step, null);
    }
}
