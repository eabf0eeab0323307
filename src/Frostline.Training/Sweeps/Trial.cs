using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Sweeps;

/// <summary>One trial of a sweep: a training with everything of its own but the batches, and the frozen values, which it shares with the others.</summary>
internal sealed class Trial : IDisposable
{
    private readonly NamedOptimizer _optimizer;
    private readonly ExponentialAverage? _average;

    /// <summary>Builds the network and gives it its first values, as a training by itself does.</summary>
    /// <param name="plan">Its values.</param>
    /// <param name="bench">The workbench of its recipe.</param>
    /// <param name="data">Its data, which stays the caller's.</param>
    /// <param name="batches">How many batches an epoch has.</param>
    /// <param name="validation">The loader of what is validated on; null for none.</param>
    /// <param name="observer">Is told what there is to be known of this trial alone, if anything.</param>
    /// <param name="shows">Whether the observer is told of the plan too, and the diagnosis is made.</param>
    /// <exception cref="FrostlineException">Something in the recipe is wrong.</exception>
    public Trial(TrialPlan plan, Workbench bench, TrainingData data, int batches, BatchLoader? validation, ITrainingObserver observer, bool shows)
    {
        Plan = plan;
        var freeze = bench.CreatePlan();
        if (freeze.PhaseEpochs.Count > 1 || freeze.Plateaus > 0)
            throw plan.Recipe.Error("freeze", "the plan changes while training, and a sweep has one frost line; take rules with from-epoch, from-plateau, unfreeze and freeze-progressively out, or use frostline train");
        var network = bench.CreateNetwork(data);
        try
        {
            var report = bench.Initialize(network, data);
            if (shows) TrainingDiagnosis.Require(bench, data, network, report, observer);
            Frozen = bench.ApplyPlan(network, report);
            if (shows) observer.Prepared(Frozen, report);
            _optimizer = bench.CreateOptimizer(Frozen, data);
            _average = plan.Recipe.Train.Ema is { } decay ? new ExponentialAverage(TrainingPhases.Changing(Frozen), decay) : null;
            Runner = new NetworkRunner(network);
            var (loss, metrics) = (bench.CreateLoss(data), bench.CreateMetrics(data));
            Settings = bench.CreateLoopSettings(data, validation is null ? "loss" : bench.BestMetric(metrics));
            Evaluator = validation is null ? null : new Evaluator(Runner, validation, loss, metrics, bench.Device);
            Course = new TrainingCourse(
                new CourseParts
                {
                    Runner = Runner,
                    Frozen = Frozen,
                    Optimizer = _optimizer,
                    Loss = loss,
                    Average = _average,
                    BatchesPerEpoch = batches,
                    Measured = Evaluator?.Names,
                    Observer = observer,
                },
                Settings,
                new TrainingState());
        }
        catch
        {
            _average?.Dispose();
            _optimizer?.Dispose();
            Frozen?.Dispose();
            network.Dispose();
            throw;
        }
    }

    /// <summary>Its values.</summary>
    public TrialPlan Plan { get; }

    /// <summary>The network with its plan.</summary>
    public FrozenModel Frozen { get; }

    /// <summary>Runs the network.</summary>
    public NetworkRunner Runner { get; }

    /// <summary>The training's numbers.</summary>
    public LoopSettings Settings { get; }

    /// <summary>Measures the network; null without validation.</summary>
    public Evaluator? Evaluator { get; }

    /// <summary>Its training.</summary>
    public TrainingCourse Course { get; }

    /// <summary>Why its loss is no number any more; null as long as it is one.</summary>
    public string? Divergence { get; private set; }

    /// <summary>Whether it goes on.</summary>
    public bool IsActive => Divergence is null && Course.State.Ended is null;

    /// <summary>
    /// Has every tensor that does not change be the other trial's where the values are the same, so that there is one copy of the frozen part.
    /// </summary>
    /// <param name="other">A trial with the same network.</param>
    public void ShareFrozen(Trial other)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var theirs = HeldBy(other);
        foreach (var (name, tensor) in HeldBy(this))
        {
            if (theirs.TryGetValue(name, out var same) && same.dtype == tensor.dtype && same.shape.SequenceEqual(tensor.shape) && same.Equals(tensor))
                tensor.set_(same.detach());
        }
    }

    /// <summary>Does some of the training; a loss that is no number ends this trial alone.</summary>
    /// <param name="work">What is done.</param>
    /// <returns>Whether the trial goes on.</returns>
    public bool Try(Action<TrainingCourse> work)
    {
        try
        {
            work(Course);
            return true;
        }
        catch (TrainingDivergedException error)
        {
            Divergence = error.Message;
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _average?.Dispose();
        _optimizer.Dispose();
        Frozen.Dispose();
        Runner.Network.Dispose();
    }

    private static Dictionary<string, torch.Tensor> HeldBy(Trial trial)
    {
        var held = trial.Frozen.Plan.Tensors.Where(tensor => tensor.State == TensorState.Frozen).Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        return ModuleTree.Of(trial.Runner.Network).DistinctTensors.Where(entry => held.Contains(entry.Name))
            .ToDictionary(entry => entry.Name, entry => entry.Tensor, StringComparer.Ordinal);
    }
}
