namespace Frostline.Bench.Comparison.Cases;

/// <summary>The most anonymous memory that a process holds while it trains a head on a frozen network.</summary>
internal sealed class MemoryCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "memory";

    public override string Title => $"linear head, peak anonymous memory, batch {task.BatchSize}";

    public override string Against => "usual loop, TorchSharp";

    public override string Unit => "MB";

    public override Target Target => Target.Most(0.4);

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).PeakAnonymous / 1e6, Runs.Get(Side.Usual, task, pair).PeakAnonymous / 1e6);
}
