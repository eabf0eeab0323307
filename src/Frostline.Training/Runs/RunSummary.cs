using System.Text.Json;
using Frostline.Training.Metrics;
using Frostline.Training.Recipes;

namespace Frostline.Training.Runs;

/// <summary>What a training came to: the content of <c>summary.json</c>.</summary>
public sealed record RunSummary
{
    /// <summary>The version of Frostline that trained.</summary>
    public required string Version { get; init; }

    /// <summary>The version of the format of run folders; this version of Frostline writes 1.</summary>
    public int Format { get; init; } = 1;

    /// <summary>What the training is called.</summary>
    public string? Name { get; init; }

    /// <summary>The network in numbers.</summary>
    public required ModelSummary Model { get; init; }

    /// <summary>Where the first values came from.</summary>
    public required InitializationSummary Initialization { get; init; }

    /// <summary>Where the frozen prefix ends.</summary>
    public required FrostLineSummary FrostLine { get; init; }

    /// <summary>How the part below the frost line was computed in the last phase.</summary>
    public PrefixSummary Prefix { get; init; } = new(null, [], null, null);

    /// <summary>The data in numbers.</summary>
    public required DataSummary Data { get; init; }

    /// <summary>The epochs in order.</summary>
    public required IReadOnlyList<EpochSummary> Epochs { get; init; }

    /// <summary>The epoch whose network <c>model.safetensors</c> holds; null while no epoch has ended.</summary>
    public BestSummary? Best { get; init; }

    /// <summary>Why training ended.</summary>
    public required RunEnd Ended { get; init; }

    /// <summary>Whether anything frozen moved.</summary>
    public required AuditSummary Audit { get; init; }

    /// <summary>The phases of the freeze plan that the training went through, in order.</summary>
    public IReadOnlyList<PhaseSummary> Phases { get; init; } = [];

    /// <summary>How long it took.</summary>
    public required SecondsSummary Seconds { get; init; }

    /// <summary>The seed of every random draw.</summary>
    public required long Seed { get; init; }

    /// <summary>How many threads libtorch computed with.</summary>
    public required int Threads { get; init; }

    /// <summary>Samples that could not be read and were left out, by name.</summary>
    public IReadOnlyList<string> Unreadable { get; init; } = [];

    /// <summary>The summary as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunJson.Page);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="path">The file <c>summary.json</c>.</param>
    /// <exception cref="FrostlineException">The file is missing or no summary.</exception>
    public static RunSummary Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<RunSummary>(File.ReadAllText(path), RunJson.Page)
                ?? throw new FrostlineException($"{path} is empty; train again, or give another run folder");
        }
        catch (Exception error) when (error is JsonException or IOException)
        {
            throw new FrostlineException($"{path} cannot be read as a summary: {error.Message}", error);
        }
    }
}

/// <summary>Why a training ended.</summary>
public enum RunEnd
{
    /// <summary>All epochs are done.</summary>
    Finished,

    /// <summary>The watched metric stopped getting better.</summary>
    StoppedEarly,

    /// <summary>It was cancelled and can be resumed.</summary>
    Cancelled,
}

/// <summary>A network in numbers.</summary>
/// <param name="Name">Its name in the recipe.</param>
/// <param name="Parameters">How many numbers its parameters have, tied ones counted once.</param>
/// <param name="Trainable">How many of them are trained.</param>
/// <param name="Frozen">How many of them are not.</param>
public sealed record ModelSummary(string Name, long Parameters, long Trainable, long Frozen);

/// <summary>Where the first values of tensors came from.</summary>
/// <param name="Loaded">How many tensors were loaded.</param>
/// <param name="Drawn">How many were drawn.</param>
/// <param name="Kept">How many stayed as constructed.</param>
/// <param name="Other">How many were set, copied or calibrated.</param>
/// <param name="Missing">Tensors that a checkpoint was to give and lacked.</param>
/// <param name="Unexpected">Keys of checkpoints that name nothing in the network.</param>
/// <param name="Skipped">Keys of checkpoints that were left out, with the reason, and both shapes where they differ.</param>
/// <param name="Adapted">Keys of checkpoints whose values were computed anew for another shape, with how and both shapes.</param>
/// <param name="Loads">A line for each checkpoint: how many tensors were loaded, renamed, cast, and so on.</param>
public sealed record InitializationSummary(
    int Loaded,
    int Drawn,
    int Kept,
    int Other,
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unexpected,
    IReadOnlyList<string> Skipped,
    IReadOnlyList<string> Adapted,
    IReadOnlyList<string> Loads);

/// <summary>Where the frozen prefix ends.</summary>
/// <param name="Stage">The first stage in which anything can change; null where the network has no stages or nothing can
/// change.</param>
public sealed record FrostLineSummary(string? Stage);

/// <summary>How the frozen prefix was computed.</summary>
/// <param name="Engine">The engine: <c>plain</c>, <c>libtorch</c>, <c>onnxruntime</c>; null where there is no prefix.</param>
/// <param name="Stages">The stages that it computes.</param>
/// <param name="RelativeError">How far its results are from the network's on a few samples, in the Euclidean norm.</param>
/// <param name="Reason">Why there is no prefix; null where there is one.</param>
public sealed record PrefixSummary(string? Engine, IReadOnlyList<string> Stages, double? RelativeError, string? Reason)
{
    /// <summary>What it was computed in: <c>float32</c> or <c>bfloat16</c>.</summary>
    public string Precision { get; init; } = "float32";

    /// <summary>Which engines were tried and not used, with the reason, one line each.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Whether its results were stored; null where there is no prefix.</summary>
    public CacheSummary? Cache { get; init; }
}

/// <summary>Whether features were stored.</summary>
/// <param name="Used">Whether they were.</param>
/// <param name="Reason">Why, or why not: what was measured.</param>
/// <param name="Variants">How many versions of each training sample there were; 0 where none were stored.</param>
/// <param name="IsExact">
/// Whether training saw what it would have seen without a store; false where random transforms were drawn in advance
/// (<c>cached-variants</c>).
/// </param>
/// <param name="Storage">What they were rounded to.</param>
/// <param name="Store">The store's identity, as <c>frostline cache list</c> shows it; null where none were stored.</param>
public sealed record CacheSummary(bool Used, string Reason, int Variants, bool IsExact, FeaturePrecision Storage, string? Store)
{
    /// <summary>
    /// How many samples were shuffled among themselves, because the features outgrew memory; null where all were. A training that is resumed
    /// keeps it, with or without a store.
    /// </summary>
    public int? ShuffleChunk { get; init; }

    /// <summary>Nothing stored.</summary>
    internal static CacheSummary None(string reason) => new(false, reason, 0, IsExact: true, FeaturePrecision.Float32, null);
}

/// <summary>The data in numbers.</summary>
/// <param name="Train">How many samples are trained on.</param>
/// <param name="Validate">How many samples are validated on; 0 without validation.</param>
/// <param name="Classes">The classes in the order of the network's outputs; empty where there are none.</param>
public sealed record DataSummary(int Train, int Validate, IReadOnlyList<string> Classes);

/// <summary>One epoch.</summary>
/// <param name="Epoch">Its number, from 1.</param>
/// <param name="Loss">The mean training loss; NaN where every batch was unreadable.</param>
/// <param name="Metrics">The validation's numbers by name, <c>loss</c> among them; empty without validation.</param>
/// <param name="Seconds">How long it took, validation included.</param>
/// <param name="LearningRates">The learning rate at its last step, by parameter group.</param>
public sealed record EpochSummary(
    int Epoch,
    double Loss,
    IReadOnlyDictionary<string, double> Metrics,
    double Seconds,
    IReadOnlyDictionary<string, double> LearningRates)
{
    /// <summary>On how many rows the frozen prefix was evaluated, validation included; checks of the engine are not counted.</summary>
    public long PrefixRows { get; init; }

    /// <summary>How many rows of features came from the store instead.</summary>
    public long StoredRows { get; init; }
}

/// <summary>The best epoch.</summary>
/// <param name="Epoch">Its number, from 1.</param>
/// <param name="Metric">The metric that chose it; null without validation, where it is the last epoch.</param>
/// <param name="Metrics">The validation's numbers by name; empty without validation.</param>
/// <param name="Tables">The validation's tables, for example the confusion matrix.</param>
public sealed record BestSummary(
    int Epoch, string? Metric, IReadOnlyDictionary<string, double> Metrics, IReadOnlyList<MetricTable> Tables);

/// <summary>Whether anything frozen moved, bit for bit.</summary>
/// <param name="FrozenTensors">How many parameters and buffers were frozen.</param>
/// <param name="Moved">How many of them moved; 0 if all is well.</param>
/// <param name="MovedNames">Their names.</param>
/// <param name="DriftedNames">Running statistics below frozen weights that moved because a rule of the plan says so; no
/// error.</param>
public sealed record AuditSummary(
    int FrozenTensors, int Moved, IReadOnlyList<string> MovedNames, IReadOnlyList<string> DriftedNames);

/// <summary>A phase of a training.</summary>
/// <param name="Epoch">Its first epoch, from 1.</param>
/// <param name="Trainable">How many numbers were trained in it.</param>
/// <param name="FrostLine">The first stage in which anything could change; null without stages, or where nothing could.</param>
public sealed record PhaseSummary(int Epoch, long Trainable, string? FrostLine);

/// <summary>How long a training took, in seconds, over all its resumptions.</summary>
/// <param name="Initialize">Building and initialising the network.</param>
/// <param name="Train">The epochs.</param>
/// <param name="Total">All together.</param>
public sealed record SecondsSummary(double Initialize, double Train, double Total);
