namespace Frostline.Bench.Comparison.Cases;

/// <summary>A process with one epoch: the first one, in which everything is computed, against one of the usual loop.</summary>
internal sealed class ColdEpochCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "cold";

    public override string Title => "linear head, first epoch with an empty store";

    public override string Against => "one epoch of the usual loop, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Most(0.7);

    public override Pair Measure(int pair) => new(Runs.Get(Side.Frostline, task, pair).For(1), Runs.Get(Side.Usual, task, pair).For(1));
}
