namespace Frostline.Bench.Comparison.Cases;

/// <summary>A head for heatmaps on the last tap of a frozen HRNet, whole processes, against the usual loop.</summary>
internal sealed class PoseCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "pose";

    public override string Title => $"HRNet-W32, heatmap head, {task.Epochs} epochs";

    public override string Against => "usual loop, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Least(15);

    public override bool IsExtrapolated => true;

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).Seconds, Runs.Get(Side.Usual, task, pair).For(task.Epochs));
}
