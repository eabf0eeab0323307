namespace Frostline.Bench.Comparison.Cases;

/// <summary>Ten heads on a frozen network that are trained together, whole process, against ten processes of the usual loop.</summary>
/// <param name="runs">The trainings.</param>
/// <param name="task">The sweep.</param>
/// <param name="single">One of the trainings, as the usual loop does it.</param>
internal sealed class SweepCase(TrainingRuns runs, TrainingTask task, TrainingTask single) : TrainingCase(runs)
{
    public override string Name => "sweep";

    public override string Title => $"{task.LearningRates.Count} linear heads in a sweep, {task.Epochs} epochs";

    public override string Against => $"{task.LearningRates.Count} runs of the usual loop, TorchSharp";

    public override string Unit => "s";

    public override Target Target => Target.Least(250);

    public override bool IsExtrapolated => true;

    public override Pair Measure(int pair) => new(
        Runs.Get(Side.Sweep, task, pair).Seconds, task.LearningRates.Count * Runs.Get(Side.Usual, single, pair).For(single.Epochs));
}
