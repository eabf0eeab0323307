using System.Globalization;
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

/// <summary>A trained parameter that is what it was.</summary>
/// <param name="Name">Its dotted name.</param>
/// <param name="Cause">The likely cause, in a few words.</param>
public sealed record UnmovedTensor(string Name, string Cause)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Cause})";
}

/// <summary>A bit-exact comparison of every parameter and buffer before and after.</summary>
public sealed class FreezeAudit
{
    internal FreezeAudit(
        int frozenTensors, IReadOnlyList<MovedTensor> moved, IReadOnlyList<MovedTensor> stated, IReadOnlyList<UnmovedTensor> untouched)
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
    /// Trained parameters that are what they were, of phases that are over too, each with the likely cause. Empty for files.
    /// </summary>
    public IReadOnlyList<UnmovedTensor> TrainedButUnmoved { get; }

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
}
