namespace Frostline.Bench.Comparison.Cases;

/// <summary>A head on a frozen network, whole processes, against features that are computed once and kept in memory.</summary>
internal sealed class ExtractOnceCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "head-once";

    public override string Title => $"linear head, {task.Epochs} epochs";

    public override string Against => "extract once, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Least(1.35);

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).Seconds, Runs.Get(Side.ExtractOnce, task, pair).Seconds);
}
