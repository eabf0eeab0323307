namespace Frostline.Bench.Comparison.Cases;

/// <summary>An epoch whose features come from the disk and not from memory, against the epoch that computed them.</summary>
/// <param name="runs">The trainings.</param>
/// <param name="task">The epoch.</param>
/// <param name="computing">The training that computes the features in its first epoch.</param>
internal sealed class FromDiskCase(TrainingRuns runs, TrainingTask task, TrainingTask computing) : TrainingCase(runs)
{
    public override string Name => "from-disk";

    public override string Title => "HRNet-W32, heatmap head, an epoch from the store on the disk, read ahead";

    public override string Against => "the epoch that computes it";

    public override string Unit => "s";

    public override Target Target => Target.Most(1);

    public override Pair Measure(int pair)
    {
        var computed = Runs.Get(Side.Frostline, computing, pair).Report.Epochs[0];
        return new Pair(Runs.Get(Side.Frostline, task, pair).Report.Epochs[0], computed);
    }
}
