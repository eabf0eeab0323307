using System.ComponentModel.DataAnnotations;
using Frostline.Training.Jobs;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Recipes;

/// <summary>A description of one training, from initialisation to report.</summary>
public sealed partial record Recipe
{
    /// <summary>The version of the recipe format; this version of Frostline reads 1.</summary>
    [RequiredKey]
    [Range(1, 1)]
    public int Version { get; init; } = 1;

    /// <summary>What the training is called in reports. Default: the file's name.</summary>
    public string? Name { get; init; }

    /// <summary>The seed of every random draw. Default: 0.</summary>
    public long Seed { get; init; }

    /// <summary>How many threads libtorch computes with. Default: the physical cores.</summary>
    [Range(1, 1024)]
    public int? Threads { get; init; }

    /// <summary>Where tensors are computed. Default: cpu.</summary>
    public DeviceKind Device { get; init; } = DeviceKind.Cpu;

    /// <summary>Assemblies (.dll) with networks, data sets, transforms, losses or metrics of your own.</summary>
    public IReadOnlyList<string> Assemblies { get; init; } = [];

    /// <summary>A folder in which <c>load</c> looks for checkpoints, besides the recipe's own. Default: none.</summary>
    public string? Weights { get; init; }

    /// <summary>The network.</summary>
    public required CatalogItem<torch.nn.Module> Model { get; init; }

    /// <summary>
    /// Where the first values come from, in order; the last match wins. Default: every tensor as the network's constructor
    /// made it.
    /// </summary>
    public IReadOnlyList<InitializeRule> Initialize { get; init; } = [];

    /// <summary>Whether something frozen may have random values. Default: false.</summary>
    public bool AllowRandom { get; init; }

    /// <summary>What is frozen and what is trained, in order; the last match wins. Default: everything is trained.</summary>
    public IReadOnlyList<FreezeRule> Freeze { get; init; } = [];

    /// <summary>How the part below the frost line, which nothing can change, is computed.</summary>
    public PrefixSettings Prefix { get; init; } = new();

    /// <summary>What is trained and validated on.</summary>
    public required DataSettings Data { get; init; }

    /// <summary>How the trained part is trained.</summary>
    public TrainSettings Train { get; init; } = new();

    /// <summary>
    /// What training makes small. Default: cross-entropy, binary cross-entropy for data with several labels a sample, or what the data is usually
    /// trained with.
    /// </summary>
    public CatalogItem<ILoss>? Loss { get; init; }

    /// <summary>What is measured on the validation data after each epoch. Default: accuracy, or what the data is usually measured by.</summary>
    public IReadOnlyList<CatalogItem<IMetric>>? Metrics { get; init; }

    /// <summary>The metric that chooses the best checkpoint. Default: the first one.</summary>
    public string? Best { get; init; }

    /// <summary>
    /// How the network is run several times for a sample where it is evaluated or predicts, for example <c>flip-test</c>; training and its validations
    /// run it once. Default: once.
    /// </summary>
    public CatalogItem<ITestTimeAugmentation>? TestTime { get; init; }
}

/// <summary>Where tensors are computed.</summary>
public enum DeviceKind
{
    /// <summary>The processor.</summary>
    Cpu,

    /// <summary>An NVIDIA graphics card; needs a CUDA build of libtorch.</summary>
    Cuda,
}
