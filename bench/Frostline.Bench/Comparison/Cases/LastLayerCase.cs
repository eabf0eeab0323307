namespace Frostline.Bench.Comparison.Cases;

/// <summary>The last layer and the head are trained: an epoch when what is frozen has been computed, against one of the usual loop.</summary>
internal sealed class LastLayerCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "last-layer";

    public override string Title => "layer4 and head, a steady epoch";

    public override string Against => "usual loop, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Least(2.5);

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).SteadyEpoch, Runs.Get(Side.Usual, task, pair).SteadyEpoch);
}
