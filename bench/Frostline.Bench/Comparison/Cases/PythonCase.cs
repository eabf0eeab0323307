namespace Frostline.Bench.Comparison.Cases;

/// <summary>A head on a frozen network, whole processes, against the usual loop in PyTorch.</summary>
internal sealed class PythonCase(TrainingRuns runs, TrainingTask task) : TrainingCase(runs)
{
    public override string Name => "head-python";

    public override string Title => $"linear head, {task.Epochs} epochs";

    public override string Against => "usual loop, PyTorch 1.13";

    public override string Unit => "s";

    public override Target Target => Target.Reported(atLeast: true);

    public override bool IsExtrapolated => true;

    // Nothing is to be reached here.
    public override int MostPairs => 1;

    public override Pair Measure(int pair) =>
        new(Runs.Get(Side.Frostline, task, pair).Seconds, Runs.Get(Side.Python, task, pair).For(task.Epochs));
}
