using System.ComponentModel.DataAnnotations;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>How the trained part is trained.</summary>
public sealed record TrainSettings
{
    /// <summary>How often the training data is gone through. Default: 10.</summary>
    [Range(1, int.MaxValue)]
    public int Epochs { get; init; } = 10;

    /// <summary>How many samples a batch has. Default: 32.</summary>
    [Range(1, int.MaxValue)]
    public int BatchSize { get; init; } = 32;

    /// <summary>How many batches' gradients are added up before a step. Default: 1.</summary>
    [Range(1, int.MaxValue)]
    public int Accumulate { get; init; } = 1;

    /// <summary>How steps are made. Default: adamw.</summary>
    [DefaultItem("adamw")]
    public CatalogItem<OptimizerSettings>? Optimizer { get; init; }

    /// <summary>How the learning rate changes while training. Default: constant.</summary>
    [DefaultItem("constant")]
    public CatalogItem<LearningRateSchedule>? Schedule { get; init; }

    /// <summary>How some parameters are trained apart, in order; the last match wins. Default: all alike, by the freeze rules' factors.</summary>
    public IReadOnlyList<GroupRule> Groups { get; init; } = [];

    /// <summary>
    /// The factor on the learning rate from each stage of the network to the one below it (layer-wise decay), for example 0.75. Default: no
    /// decay.
    /// </summary>
    [Range(0d, 1d, MinimumIsExclusive = true)]
    public double? LayerDecay { get; init; }

    /// <summary>Whether weight decay is applied to norms and biases (parameters of one dimension) too. Default: true.</summary>
    public bool DecayNormAndBias { get; init; } = true;

    /// <summary>The greatest L2 norm of all gradients together; greater ones are scaled down to it. Default: no limit.</summary>
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double? ClipGradientNorm { get; init; }

    /// <summary>Ends training when a metric stops getting better. Default: train all epochs.</summary>
    public PatienceSettings? EarlyStopping { get; init; }

    /// <summary>When a metric counts as having stopped getting better, for freeze rules with <c>from-plateau</c>. Default: never.</summary>
    public PatienceSettings? Plateau { get; init; }

    /// <summary>
    /// What the diagnosis before the first step does with an error: <c>stop</c>, <c>warn</c> and train all the same, or <c>off</c>, which does
    /// not look at all. An error can be false where data decide what a network uses, such as an expert that the first samples, of which eight are looked at, do not need.
    /// Default: stop.
    /// </summary>
    public DiagnosisMode Diagnosis { get; init; } = DiagnosisMode.Stop;

    /// <summary>How the frozen part is checked besides at the end. Default: at the end only.</summary>
    public AuditSettings Audit { get; init; } = new();

    /// <summary>
    /// The order of samples: <c>shuffled</c> sees each once an epoch, <c>balanced</c> draws every class equally often. Default:
    /// shuffled.
    /// </summary>
    public SamplingMode Sampling { get; init; } = SamplingMode.Shuffled;

    /// <summary>
    /// The parameter alpha of mixup's Beta(alpha, alpha) distribution (Zhang et al. 2018), by which pairs of samples and their
    /// labels are mixed. Default: no mixup.
    /// </summary>
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double? Mixup { get; init; }

    /// <summary>
    /// The same alpha for mixing what the frozen part puts out instead of what it reads, so that features can be stored. Default: no mixing.
    /// </summary>
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double? FeatureMixup { get; init; }

    /// <summary>
    /// The greatest change of brightness in feature space, above 0 and at most 1: what the frozen part puts out is scaled to [0, 1], shifted by up
    /// to that much, cut off and scaled back (frozen feature augmentation, Bär et al. 2024). Default: none.
    /// </summary>
    [Range(0d, 1d, MinimumIsExclusive = true)]
    public double? FeatureBrightness { get; init; }

    /// <summary>
    /// The decay of an exponential moving average of the trained values, for example 0.999; the average is what is validated and
    /// kept. Default: no average.
    /// </summary>
    [Range(0d, 1d, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double? Ema { get; init; }

    /// <summary>
    /// How often everything is saved besides at the end of each epoch (of epochs shorter than a second, once a second), so that an interrupted
    /// training loses little.
    /// </summary>
    public CheckpointSettings CheckpointEvery { get; init; } = new();
}

/// <summary>What the diagnosis before the first step does.</summary>
public enum DiagnosisMode
{
    /// <summary>It looks, and an error stops the training before anything is written but the log.</summary>
    Stop,

    /// <summary>It looks and writes errors to the log; the training goes on.</summary>
    Warn,

    /// <summary>It does not look.</summary>
    Off,
}

/// <summary>How often a training is saved besides at the end of each epoch. What comes out does not depend on it.</summary>
public sealed record CheckpointSettings
{
    /// <summary>After how many optimizer steps. Default: not by steps.</summary>
    [Shorthand]
    [Range(1, int.MaxValue)]
    public int? Steps { get; init; }

    /// <summary>After how many seconds. Default: 60.</summary>
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double? Seconds { get; init; } = 60;
}

/// <summary>When a metric has stopped getting better.</summary>
public sealed record PatienceSettings
{
    /// <summary>After how many epochs without a better value that is so. Default: 5.</summary>
    [Shorthand]
    [Range(1, int.MaxValue)]
    public int Patience { get; init; } = 5;

    /// <summary>The metric's name. Default: the one that chooses the best checkpoint.</summary>
    public string? Metric { get; init; }

    /// <summary>How much better a value has to be to count. Default: 0.</summary>
    [Range(0d, double.MaxValue)]
    public double MinimumChange { get; init; }
}

/// <summary>How some parameters are trained apart. What is not said stays as earlier rules, the optimizer and the schedule have it.</summary>
public sealed record GroupRule : ICheckedOptions
{
    /// <summary>A selector: which parameters.</summary>
    [RequiredKey]
    public required string Of { get; init; }

    /// <summary>The factor on the learning rate, besides that of the freeze rules. Default: unchanged.</summary>
    [Multiplier]
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double? LearningRate { get; init; }

    /// <summary>The weight decay. Default: unchanged.</summary>
    [Range(0d, double.MaxValue)]
    public double? WeightDecay { get; init; }

    /// <summary>A learning-rate schedule of their own; it cannot follow a metric. Default: that of the training.</summary>
    public CatalogItem<LearningRateSchedule>? Schedule { get; init; }

    /// <inheritdoc/>
    public OptionProblem? Check() => LearningRate is null && WeightDecay is null && Schedule is null
        ? new OptionProblem(nameof(Of), "the group says nothing; add learning-rate:, weight-decay: or schedule:")
        : null;
}

/// <summary>How the frozen part is checked, bit for bit, besides at the end.</summary>
public sealed record AuditSettings
{
    /// <summary>After how many epochs, each time; a training whose frozen tensors move stops there. Default: at the end only.</summary>
    [Shorthand]
    [Range(1, int.MaxValue)]
    public int? Every { get; init; }

    /// <summary>
    /// Whether frozen tensors are copied to <c>checkpoint/frozen.safetensors</c> in the run folder, so that the audit can say by how much
    /// something moved that was not loaded from a checkpoint as it is. Default: false.
    /// </summary>
    public bool Copies { get; init; }
}
