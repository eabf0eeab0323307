using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>What happened to a tensor between two moments.</summary>
public enum TensorChange
{
    /// <summary>Values differ.</summary>
    Values,

    /// <summary>It has another type of elements.</summary>
    Type,

    /// <summary>It has another shape.</summary>
    Shape,

    /// <summary>It is not there any more.</summary>
    Missing,
}

/// <summary>A tensor that is not what it was.</summary>
/// <param name="Name">Its dotted name.</param>
/// <param name="Kind">A parameter or a buffer.</param>
/// <param name="Change">What is different.</param>
/// <param name="ChangedElements">How many elements differ in a bit; null where the values before are not at hand.</param>
/// <param name="LargestChange">The largest absolute difference of an element; null likewise. 0 where only the bits differ (minus zero).</param>
public sealed record MovedTensor(string Name, NodeKind Kind, TensorChange Change, long? ChangedElements = null, double? LargestChange = null)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        if (ChangedElements is not { } elements) return Change == TensorChange.Values ? Name : $"{Name} ({Change.ToString().ToLowerInvariant()})";
        var many = elements == 1 ? "1 element" : $"{elements} elements";
        return string.Create(CultureInfo.InvariantCulture, $"{Name} ({many} by up to {LargestChange:0.###e+0})");
    }
}

/// <summary>A bit-exact comparison of every parameter and buffer before and after.</summary>
public sealed class FreezeAudit
{
    internal FreezeAudit(
        int frozenTensors, IReadOnlyList<MovedTensor> moved, IReadOnlyList<MovedTensor> stated, IReadOnlyList<string> untouched)
    {
        FrozenTensors = frozenTensors;
        Moved = moved;
        StatedDrift = stated;
        TrainedButUnmoved = untouched;
    }

    /// <summary>
    /// How many parameters and buffers had to stay. Statistics that the plan forgot (<see cref="TensorState.Drifting"/>) are
    /// among them.
    /// </summary>
    public int FrozenTensors { get; }

    /// <summary>Those that had to stay and did not, in the network's order.</summary>
    public IReadOnlyList<MovedTensor> Moved { get; }

    /// <summary>Running statistics that moved below frozen parameters because a rule said so; no error.</summary>
    public IReadOnlyList<MovedTensor> StatedDrift { get; }

    /// <summary>
    /// Trained parameters that are what they were: no gradient reaches them, or nothing was trained yet. Empty for files.
    /// </summary>
    public IReadOnlyList<string> TrainedButUnmoved { get; }

    /// <summary>Fails where anything moved that had to stay.</summary>
    /// <exception cref="FreezeException">Names the first few, and by how much they moved where that is known.</exception>
    public void ThrowIfAnythingMoved()
    {
        if (Moved.Count > 0)
            throw new FreezeException($"{Moved.Count} of {FrozenTensors} frozen tensors moved: {FreezeException.Few([.. Moved.Select(moved => moved.ToString())], 5)}");
    }

    /// <summary>The result in one line.</summary>
    public override string ToString() => Moved.Count == 0
        ? $"{FrozenTensors} frozen tensors, none moved"
        : $"{FrozenTensors} frozen tensors, {Moved.Count} moved: {FreezeException.Few([.. Moved.Select(moved => moved.ToString())], 5)}";

    /// <summary>Reads a written file again and compares its frozen tensors with what they were.</summary>
    /// <param name="path">A checkpoint by the network's names.</param>
    /// <param name="plan">Which tensors had to stay.</param>
    /// <param name="before">What they were.</param>
    /// <param name="reference">A file with the values before; default none.</param>
    /// <param name="initialized">Under which names the values were loaded from <paramref name="reference"/>; default the network's.</param>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public static FreezeAudit OfFile(
        string path, PlanStatus plan, Fingerprints before, Checkpoint? reference = null, InitializationReport? initialized = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(before);
        using var written = Checkpoint.Open(path);
        var persistent = plan.Tensors.Where(tensor => tensor.Persistent).Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        var after = Fingerprints.Of(written, persistent);
        return new Auditor(plan, before, reference, initialized)
            .Compare(after, name => written.TryFind(name, out _) ? written.Read(name) : null, persistent);
    }
}
