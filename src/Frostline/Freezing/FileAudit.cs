using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;

namespace Frostline.Freezing;

/// <summary>
/// The audit between two files: which tensors had to stay in every phase of a plan, and which of them can be compared at all. The comparison
/// itself is <see cref="Auditor"/>'s.
/// </summary>
internal sealed class FileAudit
{
    private readonly FileTensors _before;
    private readonly FileTensors _after;
    private readonly InitializationReport? _initialized;
    private readonly ModuleTree _tree;
    private readonly IReadOnlyList<(PhaseStart Start, PlanResolution Resolution)> _phases;

    private FileAudit(
        Checkpoint before, Checkpoint after, ModuleTree tree, IReadOnlyList<(PhaseStart Start, PlanResolution Resolution)> phases,
        InitializationReport? initialized)
    {
        (_tree, _phases, _initialized) = (tree, phases, initialized);
        _before = FileTensors.Of(before, tree, initialized, mayBeOriginal: true);
        _after = FileTensors.Of(after, tree, initialized, mayBeOriginal: false);
    }

    /// <summary>Compares.</summary>
    internal static FreezeAudit Compare(
        Checkpoint before, Checkpoint after, ModuleTree tree, IReadOnlyList<(PhaseStart Start, PlanResolution Resolution)> phases,
        InitializationReport? initialized) => new FileAudit(before, after, tree, phases, initialized).Run();

    /// <summary>The load that a value began with, whatever was computed from it since; null where it began otherwise.</summary>
    internal static Origin.Loaded? LoadedFrom(Origin? origin) => origin switch
    {
        Origin.Loaded loaded => loaded,
        Origin.Scaled scaled => LoadedFrom(scaled.Before),
        Origin.Calibrated calibrated => LoadedFrom(calibrated.Before),
        _ => null,
    };

    private FreezeAudit Run()
    {
        var tensors = OverAllPhases();
        var constants = new Dictionary<string, (TensorType Type, byte[] Bytes)>(StringComparer.Ordinal);
        var uncompared = new List<UncomparedTensor>();
        var within = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in tensors.Where(tensor => tensor.Persistent))
        {
            var reason = WhyNot(tensor);
            if (reason is not null && ConstantOf(tensor.Name) is { } constant) constants[tensor.Name] = constant;
            else if (reason is null) within.Add(tensor.Name);
            else if (IsHeld(tensor.State)) uncompared.Add(reason);
        }

        var then = Prints(_before, within);
        foreach (var (name, (type, bytes)) in constants) then = then.With(new TensorInfo(name, type, ShapeOf(name)), bytes);
        within.UnionWith(constants.Keys);
        var audit = new Auditor(
            tensors, AuditLedger.Of(then), (name, _) => constants.TryGetValue(name, out var constant) ? constant : _before.Read(name))
            .CompareFile(Prints(_after, within), name => _after.Read(name)?.Bytes, within, CauseOf);
        return new FreezeAudit(audit.FrozenTensors, audit.Moved, audit.StatedDrift, audit.TrainedButUnmoved, uncompared);
    }

    private long[] ShapeOf(string name) => TensorBytes.ShapeOf(_tree.Find(name)!.Tensor);

    private static bool IsHeld(TensorState state) => state is TensorState.Frozen or TensorState.Drifting;

    private static Fingerprints Prints(FileTensors file, HashSet<string> within) =>
        Fingerprints.Of(file.File, file.Keys.Where(key => within.Contains(key.Key)));

    /// <summary>What the phases together make of each tensor: frozen is what is held in every one.</summary>
    private List<TensorStatus> OverAllPhases()
    {
        var phases = _phases.Select(phase => PlanStatus.Of(phase.Resolution, []).Tensors).ToList();
        return [.. phases[0].Select((tensor, i) => tensor with { State = Over([.. phases.Select(phase => phase[i].State)]) })];
    }

    private static TensorState Over(List<TensorState> states)
    {
        if (states.Contains(TensorState.Trained)) return TensorState.Trained;
        if (states.Contains(TensorState.Free)) return TensorState.Free;
        if (states.Contains(TensorState.Moving)) return TensorState.Moving;
        return states.Contains(TensorState.Drifting) ? TensorState.Drifting : TensorState.Frozen;
    }

    /// <summary>Why a tensor cannot be compared; null where it can.</summary>
    private UncomparedTensor? WhyNot(TensorStatus tensor)
    {
        var known = _initialized?.Find(tensor.Name);
        var loaded = LoadedFrom(known?.Origin);
        if (_before.Find(tensor.Name) is not { } then) return Why(UncomparedCause.Unknown, $"not in {_before.Name}");
        if (_before.IsOriginal && (known?.Origin is not Origin.Loaded || loaded is { Adapted: not null })) return Computed();
        if (!then.Shape.SequenceEqual(ShapeOf(tensor.Name)))
        {
            if (loaded is { Adapted: not null }) return Computed();
            if (known is not null && loaded is null) return Why(UncomparedCause.Unknown, $"of another shape in {_before.Name}");
        }

        return loaded?.CastFrom is { } type && then.Type == type && _after.Find(tensor.Name)?.Type != type ? Computed() : null;

        UncomparedTensor Computed() => Why(UncomparedCause.Computed, $"not as in {_before.Name}");
        UncomparedTensor Why(UncomparedCause cause, string what) =>
            new(tensor.Name, tensor.Kind, cause, known is null ? what : $"{what}: {WithoutKey(known.Origin)}");
    }

    /// <summary>The origin without the tensor's own name in the file, so that equal reasons are equal.</summary>
    private static string WithoutKey(Origin origin) =>
        LoadedFrom(origin) is { } loaded ? origin.Describe().Replace($", {loaded.Key}", "", StringComparison.Ordinal) : origin.Describe();

    /// <summary>The bytes of a tensor that the initialisation set to one value, such as a counter that an old file lacks; otherwise null.</summary>
    private (TensorType Type, byte[] Bytes)? ConstantOf(string name)
    {
        if (_initialized?.Find(name) is not { Origin: Origin.Set set } known) return null;
        var values = new double[ShapeOf(name).Aggregate(1L, (product, size) => product * size)];
        Array.Fill(values, set.Value);
        var bytes = new byte[values.Length * known.Type.Size()];
        Elements.FromDouble(values, known.Type, bytes);
        return (known.Type, bytes);
    }

    /// <summary>Without gradients there is little to be said: from when on the parameter is trained, and what the reasons are elsewhere.</summary>
    private string CauseOf(string name)
    {
        var start = _phases.Where(phase => phase.Resolution.Trained.Any(tensor => tensor.Entry.Name == name))
            .Select(phase => phase.Start).OrderBy(start => start.Plateaus).ThenBy(start => start.Epoch).First();
        return start switch
        {
            { Plateaus: > 0 } => FormattableString.Invariant($"it is trained after plateau {start.Plateaus}, which may not have come"),
            { Epoch: > 0 } => FormattableString.Invariant($"it is trained once {start.Epoch} {(start.Epoch == 1 ? "epoch is" : "epochs are")} over: ")
                + "the later file may be from before, or no gradient reached it",
            _ => "no gradient reached it, its gradient was zero, its steps were too small to change a bit, or nothing was trained in between",
        };
    }
}
