using Frostline.Freezing;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>The numbers of a training, beside those of its optimizer.</summary>
public sealed record LoopSettings
{
    /// <summary>The seed of every random draw; default 0.</summary>
    public long Seed { get; init; }

    /// <summary>How often the training data is gone through, at least 1; default 10.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>How many batches' gradients make a step, at least 1; default 1.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>The greatest joint norm of all gradients; null for no limit.</summary>
    public double? ClipGradientNorm { get; init; }

    /// <summary>The learning-rate schedule; default constant.</summary>
    public LearningRateSchedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>When training ends before its last epoch; null for never.</summary>
    public MetricWatch? EarlyStopping { get; init; }

    /// <summary>What counts as a plateau, for plans with rules that wait for one; null for none.</summary>
    public MetricWatch? Plateau { get; init; }

    /// <summary>After how many epochs the audit is taken, each time; null for at the end only.</summary>
    public int? AuditEvery { get; init; }

    /// <summary>The parameter α of mixup; null for none.</summary>
    public double? Mixup { get; init; }

    /// <summary>The parameter α of mixup on features; null for none.</summary>
    public double? FeatureMixup { get; init; }

    /// <summary>The strength of brightness on features; null for none.</summary>
    public double? FeatureBrightness { get; init; }

    /// <summary>The metric that chooses the best epoch; default <c>loss</c>. Not used without validation.</summary>
    public string Best { get; init; } = "loss";

    /// <summary>After how many steps a checkpoint is written, beside those at the ends of epochs; null for none.</summary>
    public int? CheckpointEverySteps { get; init; }

    /// <summary>After how many seconds a checkpoint is written, beside those at the ends of epochs; null for none.</summary>
    public double? CheckpointEverySeconds { get; init; }

    /// <summary>How many classes there are, for mixup; null where there are none.</summary>
    public int? Classes { get; init; }
}

/// <summary>What a training works with. Everything stays the caller's.</summary>
public sealed class TrainingParts
{
    /// <summary>The network, and how it is run.</summary>
    public required NetworkRunner Runner { get; init; }

    /// <summary>The freeze plan, applied to that network, in the phase in which training begins.</summary>
    public required FrozenModel Frozen { get; init; }

    /// <summary>The plan with all of its phases; null for a plan without.</summary>
    public FreezePlan? Plan { get; init; }

    /// <summary>Takes the audit between epochs; null for that of the frozen model without files to measure changes by.</summary>
    public Func<FreezeAudit>? Audit { get; init; }

    /// <summary>Is called when a phase has begun, with its first epoch, from 0; null for nobody.</summary>
    public Action<int>? PhaseBegan { get; init; }

    /// <summary>How the frozen prefix is computed, for the training's state; null where nobody knows.</summary>
    public Func<PrefixSummary>? Prefix { get; init; }

    /// <summary>The optimizer over what the plan trains; it follows the plan (<see cref="FrozenModelOptimizer"/>).</summary>
    public required NamedOptimizer Optimizer { get; init; }

    /// <summary>What is made small.</summary>
    public required ILoss Loss { get; init; }

    /// <summary>The training data.</summary>
    public required BatchLoader Loader { get; init; }

    /// <summary>The validation; null for none.</summary>
    public Evaluator? Evaluator { get; init; }

    /// <summary>The moving average of what changes; null for none.</summary>
    public ExponentialAverage? Average { get; init; }

    /// <summary>Where the network is; default the processor.</summary>
    public torch.Device Device { get; init; } = torch.CPU;

    /// <summary>Where files go.</summary>
    public required RunFolder Folder { get; init; }

    /// <summary>The line-by-line record.</summary>
    public required MetricsLog Metrics { get; init; }

    /// <summary>Who is told; default nobody.</summary>
    public ITrainingObserver Observer { get; init; } = new SilentObserver();

    /// <summary>Writes the network as it is to a model file, with its metadata.</summary>
    public required Action<string> SaveModel { get; init; }

    /// <summary>More text entries for the training's checkpoint.</summary>
    public IReadOnlyDictionary<string, string> CheckpointMetadata { get; init; } = new Dictionary<string, string>(
        StringComparer.Ordinal);

    /// <summary>What of it the course of the training needs.</summary>
    internal CourseParts ForCourse() => new()
    {
        Runner = Runner,
        Frozen = Frozen,
        Plan = Plan,
        Audit = Audit,
        PhaseBegan = PhaseBegan,
        Optimizer = Optimizer,
        Loss = Loss,
        Average = Average,
        BatchesPerEpoch = Loader.BatchesPerEpoch,
        Measured = Evaluator?.Names,
        Observer = Observer,
        Stepped = Metrics.Step,
    };

    private sealed class SilentObserver : ITrainingObserver;
}
