using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

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

/// <summary>Why a frozen tensor could not be compared.</summary>
public enum UncomparedCause
{
    /// <summary>The file of before lacks what it was, for example because it was drawn.</summary>
    Unknown,

    /// <summary>Its first value was computed from that of the file: cast, adapted to another shape, scaled or calibrated.</summary>
    Computed,
}

/// <summary>A frozen tensor of which two files do not tell whether it moved.</summary>
/// <param name="Name">Its dotted name.</param>
/// <param name="Kind">A parameter or a buffer.</param>
/// <param name="Cause">What is in the way.</param>
/// <param name="Reason">The same in a few words, with where its first value came from.</param>
public sealed record UncomparedTensor(string Name, NodeKind Kind, UncomparedCause Cause, string Reason)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Reason})";
}

/// <summary>A bit-exact comparison of every parameter and buffer before and after.</summary>
public sealed class FreezeAudit
{
    internal FreezeAudit(
        int frozenTensors, IReadOnlyList<MovedTensor> moved, IReadOnlyList<MovedTensor> stated, IReadOnlyList<UnmovedTensor> untouched,
        IReadOnlyList<UncomparedTensor>? uncompared = null)
    {
        FrozenTensors = frozenTensors;
        Moved = moved;
        StatedDrift = stated;
        TrainedButUnmoved = untouched;
        NotCompared = uncompared ?? [];
    }

    /// <summary>
    /// How many parameters and buffers had to stay and were compared. Statistics that the plan forgot (<see cref="TensorState.Drifting"/>)
    /// are among them.
    /// </summary>
    public int FrozenTensors { get; }

    /// <summary>Those that had to stay and did not, in the network's order.</summary>
    public IReadOnlyList<MovedTensor> Moved { get; }

    /// <summary>Running statistics that moved below frozen parameters because a rule said so; no error.</summary>
    public IReadOnlyList<MovedTensor> StatedDrift { get; }

    /// <summary>
    /// Trained parameters that are what they were, of phases that are over too, each with the likely cause. Not looked for by
    /// <see cref="FrozenModel.AuditFile"/>.
    /// </summary>
    public IReadOnlyList<UnmovedTensor> TrainedButUnmoved { get; }

    /// <summary>What had to stay and could not be compared, in the network's order; only between two files (<see cref="OfFiles"/>).</summary>
    public IReadOnlyList<UncomparedTensor> NotCompared { get; }

    /// <summary>
    /// Compares two checkpoints under a plan, bit for bit; frozen is what the plan holds in every phase. Either file may name the tensors as
    /// the network does, with or without the prefix <c>model.</c> of a training's checkpoint or <c>module.</c>, or as they were named when
    /// they were loaded. Buffers that do not belong into files are not looked at.
    /// </summary>
    /// <param name="before">
    /// The file of before. It may be the one that the network was loaded from: what the network did not take from it as it is, is in
    /// <see cref="NotCompared"/> then.
    /// </param>
    /// <param name="after">The file of after. A frozen tensor that it lacks has moved.</param>
    /// <param name="plan">The plan with all of its phases.</param>
    /// <param name="network">A network of the structure that the files are of; its values are not looked at.</param>
    /// <param name="initialized">
    /// Where its first values came from, as <see cref="InitializationPlan.Preview"/> or a model file tells; null where nothing is known: then
    /// names have to be the network's.
    /// </param>
    /// <exception cref="SelectionException">A selector of the plan matches nothing.</exception>
    /// <exception cref="FreezeException">The plan is impossible for the network, or a file has none of the network's tensors.</exception>
    /// <exception cref="CheckpointException">A file is damaged.</exception>
    public static FreezeAudit OfFiles(
        Checkpoint before, Checkpoint after, FreezePlan plan, torch.nn.Module network, InitializationReport? initialized = null)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        ArgumentNullException.ThrowIfNull(plan);
        var tree = ModuleTree.Of(network);
        return FileAudit.Compare(before, after, tree, PlanPhases.Every(tree, plan), initialized);
    }

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
