using System.Runtime.CompilerServices;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Freezing;

/// <summary>
/// A plan applied to a network. What the plan freezes does not move by a bit, whatever is called on the network meanwhile, and
/// <see cref="Audit"/> proves it. Disposing it restores what was found: which parameters require gradients, and the modes. A
/// module that was asked into another mode meanwhile, and stayed in inference mode because it was frozen, goes into the mode
/// that was asked for last, as if it had never been frozen. Dispose it before the network. Not thread-safe.
/// </summary>
public sealed class FrozenModel : IDisposable
{
    private static readonly ConditionalWeakTable<torch.nn.Module, FrozenModel> s_applied = [];

    private readonly PlanResolution _resolution;
    private readonly InitializationReport? _initialized;
    private readonly FreezeUndo _undo;
    private readonly StructureCheck _structure;
    private bool _disposed;

    private FrozenModel(PlanResolution resolution, InitializationReport? initialized, bool allowRandom, FreezeUndo undo)
    {
        _resolution = resolution;
        _initialized = initialized;
        _undo = undo;
        _structure = new StructureCheck(resolution.Tree);
        AllowsRandom = allowRandom;
        Plan = PlanStatus.Of(resolution, allowRandom ? OriginCheck.Doubts(resolution, initialized) : []);
        Fingerprints = Fingerprints.Of(resolution.Tree);
    }

    /// <summary>The network.</summary>
    public torch.nn.Module Network => _resolution.Tree.Root;

    /// <summary>The plan as it was applied, in numbers and words.</summary>
    public PlanStatus Plan { get; }

    /// <summary>Whether the plan was allowed to freeze what nobody loaded.</summary>
    public bool AllowsRandom { get; }

    /// <summary>The frost line's stage: the first in which anything can change. Null without stages, or where nothing can change.</summary>
    public string? FrostLine => Plan.FrostLine;

    /// <summary>What every parameter and buffer was when the plan was applied.</summary>
    public Fingerprints Fingerprints { get; }

    /// <summary>
    /// The parameters that are trained, tied ones once, in the network's order: what an optimizer is to be given. After
    /// <c>to()</c>, which replaces parameters, these are the new ones.
    /// </summary>
    /// <exception cref="FreezeException">A parameter was taken out of the network.</exception>
    public IReadOnlyList<TrainedParameter> Trained =>
        [.. _resolution.Tensors.Where(decision => decision.State == TensorState.Trained)
            .Select(decision => new TrainedParameter(decision.Entry.Name, (Parameter)Current(decision.Entry), decision.LearningRate))];

    /// <summary>
    /// Every module as it is now. A module in which something was changed behind the plan's back is irregular, with the reason.
    /// </summary>
    public IReadOnlyList<ModuleStatus> Status
    {
        get
        {
            var irregular = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var fault in Faults()) irregular.TryAdd(fault.Module, fault.What);
            return PlanStatus.Of(_resolution, [], irregular).Modules;
        }
    }

    /// <summary>The plan as a table, as <c>frostline plan</c> prints it.</summary>
    public string Describe() => Plan.Describe();

    /// <summary>
    /// Checks that the network is still as the plan left it: which parameters require gradients, no gradients on frozen ones,
    /// held modules guarded and in inference mode, no module exchanged. Cheap enough for every step; does not read values.
    /// </summary>
    /// <exception cref="FreezeException">Something was changed; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The plan is no longer applied.</exception>
    public void Verify()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var faults = Faults().Take(4).Select(fault => fault.Text).ToList();
        if (faults.Count > 0)
            throw new FreezeException($"the network is no longer as the freeze plan left it: {FreezeException.Few(faults)}; undo that, or dispose the frozen model and apply a new plan");
    }

    /// <summary>Compares every parameter and buffer with what it was, bit for bit.</summary>
    /// <param name="before">What they were; null, the default, for what they were when the plan was applied. A resumed run passes the first run's.</param>
    /// <param name="reference">
    /// A file with the values before, by the network's names or by the names under which they were loaded; with it the audit
    /// also says by how much something moved. Default none.
    /// </param>
    /// <exception cref="ObjectDisposedException">The plan is no longer applied.</exception>
    public FreezeAudit Audit(Fingerprints? before = null, Checkpoint? reference = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var tree = ModuleTree.Of(Network);
        return new Auditor(Plan, before ?? Fingerprints, reference, _initialized)
            .Compare(Fingerprints.Of(tree), name => tree.Find(name)?.Tensor is { } tensor ? TensorBytes.Read(tensor) : null);
    }

    /// <summary>
    /// Reads a written file again and compares it with what the frozen tensors were, bit for bit. A frozen tensor that belongs
    /// into files and is not in it counts as moved.
    /// </summary>
    /// <param name="path">A checkpoint by the network's names, for example the run's <c>model.safetensors</c>.</param>
    /// <param name="before">As of <see cref="Audit"/>.</param>
    /// <param name="reference">As of <see cref="Audit"/>.</param>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public FreezeAudit AuditFile(string path, Fingerprints? before = null, Checkpoint? reference = null) =>
        FreezeAudit.OfFile(path, Plan, before ?? Fingerprints, reference, _initialized);

    /// <summary>Takes the plan back. Calling it again does nothing.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Forget(_resolution);
        _undo.Run();
    }

    internal static FrozenModel Create(PlanResolution resolution, InitializationReport? initialized, bool allowRandom)
    {
        foreach (var module in resolution.Tree.Modules)
        {
            if (s_applied.TryGetValue(module.Module, out _))
                throw new FreezeException($"{(module.Name.Length == 0 ? "the network" : $"\"{module.Name}\"")} is part of a frozen model already; dispose that before another plan is applied");
        }

        RefuseNonLeaves(resolution);
        var undo = new FreezeUndo(resolution.Tree);
        try
        {
            undo.Apply(resolution);
            var frozen = new FrozenModel(resolution, initialized, allowRandom, undo);
            foreach (var module in resolution.Modules) s_applied.Add(module.Entry.Module, frozen);
            return frozen;
        }
        catch
        {
            Forget(resolution);
            undo.Run();
            throw;
        }
    }

    private static void Forget(PlanResolution resolution)
    {
        foreach (var module in resolution.Modules) s_applied.Remove(module.Entry.Module);
    }

    /// <summary>On a tensor that was computed, requires_grad can be set to no effect at all, without an error.</summary>
    private static void RefuseNonLeaves(PlanResolution resolution)
    {
        foreach (var (entry, _, _) in resolution.Tensors)
        {
            if (entry.Kind == NodeKind.Parameter && !entry.Tensor.is_leaf)
                throw new FreezeException($"the parameter \"{entry.Name}\" was computed from other tensors and can be neither frozen nor trained; register a detached copy");
        }
    }

    private torch.Tensor Current(TensorEntry entry) =>
        _structure.Current(entry) ?? throw new FreezeException($"the parameter \"{entry.Name}\" was taken out of the network");

    private IEnumerable<(string Module, string What, string Text)> Faults()
    {
        foreach (var (module, what) in _structure.Changes()) yield return (module, what, $"{(module.Length == 0 ? "the network" : module)}: {what}");
        foreach (var (entry, state, _) in _resolution.Tensors)
        {
            if (entry.Kind != NodeKind.Parameter || _structure.Current(entry) is not { } tensor) continue;
            var trained = state == TensorState.Trained;
            if (tensor.requires_grad != trained)
            {
                var what = trained ? $"{entry.Name} is trained and requires no gradient" : $"{entry.Name} is frozen and requires a gradient";
                yield return (entry.Owner, what, what);
            }
            else if (!trained && HasGradient(tensor))
            {
                var what = $"{entry.Name} is frozen and has a gradient";
                yield return (entry.Owner, what, what);
            }
        }

        foreach (var (name, guard) in _undo.Guards)
        {
            if (guard.Holds) continue;
            var what = guard.Target.training ? "is held in inference mode and is in training mode" : "has lost its guard";
            yield return (name, what, $"{(name.Length == 0 ? "the network" : name)} {what}");
        }
    }

    private static bool HasGradient(torch.Tensor tensor)
    {
        using var gradient = tensor.grad;
        return gradient is not null;
    }
}
