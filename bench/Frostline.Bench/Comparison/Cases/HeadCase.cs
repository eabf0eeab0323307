namespace Frostline.Bench.Comparison.Cases;

/// <summary>A head on a frozen network, whole processes, against the usual loop.</summary>
internal sealed class HeadCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "head";

    public override string Title => $"linear head, {task.Epochs} epochs";

    public override string Against => "usual loop, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Least(40);

    public override bool IsExtrapolated => true;

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).Seconds, Runs.Get(Side.Usual, task, pair).For(task.Epochs));
}
