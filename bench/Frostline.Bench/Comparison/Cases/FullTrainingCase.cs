namespace Frostline.Bench.Comparison.Cases;

/// <summary>A step of a training in which nothing is frozen.</summary>
internal sealed class FullTrainingCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "full";

    public override string Title => $"nothing frozen, a step of {task.BatchSize} images";

    public override string Against => "plain loop, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Most(1.05);

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).Report.Step, Runs.Get(Side.Usual, task, pair).Report.Step);
}
