using System.Text.Json.Serialization;
using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>What a <c>Load</c> rule did with one tensor.</summary>
public enum LoadOutcome
{
    /// <summary>The network's tensor has the file's values, cast or adapted where the entry says so.</summary>
    Loaded,

    /// <summary>The rule was to fill the network's tensor, and the file lacks it.</summary>
    Missing,

    /// <summary>The file's tensor names nothing in the network.</summary>
    Unexpected,

    /// <summary>Both have the tensor, and it was left out; the detail says why.</summary>
    Skipped,
}

/// <summary>
/// A tensor of a checkpoint, of the network, or of both, as a <c>Load</c> rule saw it. What is not known, such as the file's side
/// of a missing tensor, is null.
/// </summary>
/// <param name="Outcome">What the rule did with it.</param>
/// <param name="Key">Its name in the file.</param>
/// <param name="Name">Its name in the network; of an unexpected one the name that it would have.</param>
/// <param name="FileType">The type of its elements in the file.</param>
/// <param name="FileShape">Its sizes in the file.</param>
/// <param name="NetworkType">The type of its elements in the network.</param>
/// <param name="NetworkShape">Its sizes in the network.</param>
/// <param name="Detail">Why it was skipped, or how it was adapted to the network's shape; otherwise null.</param>
public sealed record TensorLoad(
    LoadOutcome Outcome,
    string? Key = null,
    string? Name = null,
    TensorType? FileType = null,
    IReadOnlyList<long>? FileShape = null,
    TensorType? NetworkType = null,
    IReadOnlyList<long>? NetworkShape = null,
    string? Detail = null)
{
    /// <summary>Whether both shapes are known and differ.</summary>
    [JsonIgnore]
    public bool IsOfAnotherShape => FileShape is not null && NetworkShape is not null && !FileShape.SequenceEqual(NetworkShape);

    /// <summary>Whether it was loaded from elements of another type.</summary>
    [JsonIgnore]
    public bool IsCast => Outcome == LoadOutcome.Loaded && FileType != NetworkType;

    /// <summary>Whether it was loaded under another name than the file's.</summary>
    [JsonIgnore]
    public bool IsRenamed => Outcome == LoadOutcome.Loaded && Key != Name;

    /// <summary>Whether its values were computed from the file's to fit the network's shape.</summary>
    [JsonIgnore]
    public bool IsAdapted => Outcome == LoadOutcome.Loaded && Detail is not null;

    /// <summary>The tensor and what became of it, in a few words.</summary>
    public override string ToString()
    {
        var text = Key ?? Name ?? "";
        if (IsRenamed) text += $" -> {Name}";
        if (Detail is not null) text += $": {Detail}";
        if (IsCast) text += $", cast from {FileType} to {NetworkType}";
        return IsOfAnotherShape ? $"{text}, {Text(FileShape!)} in the file and {Text(NetworkShape!)} in the network" : text;
    }

    internal static TensorLoad Of(LoadOutcome outcome, TensorInfo? file, TensorInfo? network, string name, string? detail = null) =>
        new(outcome, file?.Name, name, file?.Type, file?.Shape, network?.Type, network?.Shape, detail);

    /// <summary>The cells of <see cref="Titles"/>.</summary>
    internal string[] Row() =>
    [
        Outcome.ToString().ToLowerInvariant() + (IsCast ? ", cast" : "") + (IsRenamed ? ", renamed" : ""),
        Key ?? "-", Name ?? "-", Side(FileType, FileShape), Side(NetworkType, NetworkShape), Detail ?? "",
    ];

    internal static string[] Titles { get; } = ["outcome", "key", "name", "in the file", "in the network", "detail"];

    private static string Side(TensorType? type, IReadOnlyList<long>? shape) => type is null || shape is null ? "-" : $"{type} {Text(shape)}";

    private static string Text(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";
}
