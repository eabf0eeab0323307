using System.ComponentModel.DataAnnotations;
using Frostline.Checkpoints;
using Frostline.Staging;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>How the frozen prefix is computed: the stages below the frost line, which nothing can change.</summary>
public sealed record PrefixSettings : ICheckedOptions
{
    /// <summary>
    /// The engine: <c>auto</c>, <c>plain</c>, <c>libtorch</c> or <c>onnxruntime</c>. Each is checked on samples against the network as it is.
    /// Default: auto.
    /// </summary>
    [DefaultItem("auto")]
    public CatalogItem<PrefixEngineFactory>? Engine { get; init; }

    /// <summary>
    /// What the prefix is computed in: <c>float32</c>, or <c>bfloat16</c>, about twice as fast on processors that have it and off by about one
    /// in a hundred. Tried in a child process first; where that fails it is float32, with a warning. Default: float32.
    /// </summary>
    public EnginePrecision Precision { get; init; } = EnginePrecision.Float32;

    /// <summary>
    /// Whether what the prefix puts out for a sample is stored on the disk and read from there in later epochs and trainings: <c>on</c>,
    /// <c>off</c>, or <c>auto</c>, which measures whether that is faster. Default: auto.
    /// </summary>
    public CacheMode Cache { get; init; } = CacheMode.Auto;

    /// <summary>
    /// How many results of random transforms are drawn for each sample and stored; the epochs go through them in turn and see no others. A
    /// <c>flip</c> is not counted: both of its outcomes are stored, and drawn as without a store. Default: samples of other random transforms are
    /// not stored.
    /// </summary>
    [Range(1, 10_000)]
    public int? CachedVariants { get; init; }

    /// <summary>What stored features are rounded to: <c>float32</c>, <c>float16</c> or <c>bfloat16</c>. Default: float32.</summary>
    public FeaturePrecision Storage { get; init; } = FeaturePrecision.Float32;

    /// <summary>
    /// The folder of the feature stores. Default: features in the folder that FROSTLINE_CACHE names, else frostline/features in the user's cache
    /// folder.
    /// </summary>
    public string? Location { get; init; }

    /// <summary>How many GB (10^9 bytes) all stores may take together. Default: FROSTLINE_CACHE_MAX_GB, else no limit.</summary>
    [Range(0d, 1e9, MinimumIsExclusive = true)]
    public double? MaxGigabytes { get; init; }

    /// <summary>How many GB (10^9 bytes) must stay free on the disk. Default: FROSTLINE_CACHE_KEEP_FREE_GB, else 2.1.</summary>
    [Range(0d, 1e9)]
    public double? KeepFreeGigabytes { get; init; }

    /// <summary>
    /// How many GB (10^9 bytes) of memory stored features may take before they are read ahead and shuffled chunk by chunk. Default: seven tenths of
    /// what is free when the training begins.
    /// </summary>
    [Range(0d, 1e9)]
    public double? MemoryGigabytes { get; init; }

    /// <inheritdoc/>
    public OptionProblem? Check() => Cache == CacheMode.Off && CachedVariants is not null
        ? new OptionProblem(nameof(CachedVariants), "nothing is stored with cache: off; take cached-variants away or write cache: on")
        : null;
}

/// <summary>Whether features are stored.</summary>
public enum CacheMode
{
    /// <summary>Where it is measured to be faster.</summary>
    Auto,

    /// <summary>Yes; what makes it impossible is an error.</summary>
    On,

    /// <summary>No.</summary>
    Off,
}

/// <summary>What stored features are rounded to.</summary>
public enum FeaturePrecision
{
    /// <summary>Single precision: features as they are computed.</summary>
    Float32,

    /// <summary>Half precision: 11 bits, up to 65,504.</summary>
    Float16,

    /// <summary>Brain floating point: 8 bits, the range of single precision.</summary>
    Bfloat16,
}

/// <summary>Translates it.</summary>
internal static class FeaturePrecisions
{
    /// <summary>The type of stored elements.</summary>
    public static TensorType ToTensorType(this FeaturePrecision precision) => precision switch
    {
        FeaturePrecision.Float16 => TensorType.Float16,
        FeaturePrecision.Bfloat16 => TensorType.BFloat16,
        _ => TensorType.Float32,
    };
}
