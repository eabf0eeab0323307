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

    /// <summary>The greatest L2 norm of all gradients together; greater ones are scaled down to it. Default: no limit.</summary>
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double? ClipGradientNorm { get; init; }

    /// <summary>Ends training when a metric stops getting better. Default: train all epochs.</summary>
    public EarlyStoppingSettings? EarlyStopping { get; init; }

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
    /// The decay of an exponential moving average of the trained values, for example 0.999; the average is what is validated and
    /// kept. Default: no average.
    /// </summary>
    [Range(0d, 1d, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double? Ema { get; init; }

    /// <summary>How often everything is saved besides at the end of each epoch, so that an interrupted training loses little.</summary>
    public CheckpointSettings CheckpointEvery { get; init; } = new();
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

/// <summary>Ends training when a metric stops getting better.</summary>
public sealed record EarlyStoppingSettings
{
    /// <summary>After how many epochs without a better value training ends. Default: 5.</summary>
    [Shorthand]
    [Range(1, int.MaxValue)]
    public int Patience { get; init; } = 5;

    /// <summary>The metric's name. Default: the one that chooses the best checkpoint.</summary>
    public string? Metric { get; init; }

    /// <summary>How much better a value has to be to count. Default: 0.</summary>
    [Range(0d, double.MaxValue)]
    public double MinimumChange { get; init; }
}
