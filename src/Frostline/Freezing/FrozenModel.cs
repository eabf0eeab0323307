using System.Diagnostics.CodeAnalysis;
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

    private readonly InitializationReport? _initialized;
    private readonly FreezeUndo _undo;
    private readonly List<Func<IReadOnlyList<TrainedParameter>, Action>> _followers = [];
    private readonly HashSet<string> _changed = new(StringComparer.Ordinal);
    private readonly List<PhaseReport> _phases = [];
    private Dictionary<string, double> _since = new(StringComparer.Ordinal);
    private FreezePlan _plan;
    private PlanResolution _resolution;
    private StructureCheck _structure;
    private bool _disposed;

    private FrozenModel(PlanResolution resolution, InitializationReport? initialized, bool allowRandom, FreezeUndo undo)
    {
        _initialized = initialized;
        _undo = undo;
        AllowsRandom = allowRandom;
        Ledger = AuditLedger.Of(Fingerprints.Of(resolution.Tree));
        TakeOver(resolution, SinceOf(resolution, epoch: 0), epoch: 0);
    }

    /// <summary>The network.</summary>
    public torch.nn.Module Network => _resolution.Tree.Root;

    /// <summary>The plan as it is applied now, in numbers and words.</summary>
    public PlanStatus Plan { get; private set; }

    /// <summary>Whether the plan was allowed to freeze what nobody loaded.</summary>
    public bool AllowsRandom { get; }

    /// <summary>The frost line's stage: the first in which anything can change. Null without stages, or where nothing can change.</summary>
    public string? FrostLine => Plan.FrostLine;

    /// <summary>What <see cref="Audit"/> compares with, and what it found in phases that are over.</summary>
    public AuditLedger Ledger { get; private set; }

    /// <summary>The phases so far, this one included, in order.</summary>
    public IReadOnlyList<PhaseReport> Phases => _phases;

    /// <summary>The names of all tensors that some phase so far, this one included, let change.</summary>
    public IReadOnlyCollection<string> EverChanging => _changed;

    /// <summary>
    /// The parameters that are trained, tied ones once, in the network's order: what an optimizer is to be given. After
    /// <c>to()</c>, which replaces parameters, these are the new ones.
    /// </summary>
    /// <exception cref="FreezeException">A parameter was taken out of the network.</exception>
    public IReadOnlyList<TrainedParameter> Trained => TrainedBy(_resolution, _structure, _since);

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

    /// <summary>
    /// Goes over to another plan, the only way to change what is frozen while training. What is frozen from now on loses its gradient and
    /// its state in optimizers made by <c>frozen.Optimizer(...)</c>; what is trained from now on joins them afresh; what is trained as
    /// before keeps its state. The audit is taken before: it covers all phases. Either everything is done or, where something is wrong,
    /// nothing. The same rules again change nothing.
    /// </summary>
    /// <param name="plan">The plan from now on; of a plan with phases, <see cref="FreezePlan.At"/> gives the right one.</param>
    /// <param name="epoch">When it is, counted from 0; the warm-up of what begins to be trained starts here. Default 0.</param>
    /// <returns>What changed.</returns>
    /// <exception cref="SelectionException">A selector of the plan matches nothing.</exception>
    /// <exception cref="FreezeException">
    /// The plan is impossible, the network is no longer as the plan before left it, something would be frozen that was neither loaded nor
    /// trained, or an optimizer would have nothing left to train.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The plan is no longer applied.</exception>
    public PlanChange Update(FreezePlan plan, double epoch = 0)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        Verify();
        if (plan.HasRulesOf(_plan)) return new PlanChange([], [], FrostLine);
        var next = PlanPhases.Resolve(ModuleTree.Of(Network), plan)[0].Resolution;
        if (!AllowsRandom) OriginCheck.Refuse([.. OriginCheck.Doubts(next, _initialized).Where(doubt => !_changed.Contains(doubt.Name))]);
        var since = SinceOf(next, epoch);
        var trained = TrainedBy(next, new StructureCheck(next.Tree), since);
        var commits = _followers.ConvertAll(follower => follower(trained));

        var ledger = CloseAccounts(next);
        try
        {
            _undo.Apply(next);
        }
        catch
        {
            _undo.Apply(_resolution);
            throw;
        }

        var before = _since;
        Ledger = ledger;
        TakeOver(next, since, epoch);
        foreach (var commit in commits) commit();
        return new PlanChange([.. since.Keys.Where(name => !before.ContainsKey(name))], [.. before.Keys.Where(name => !since.ContainsKey(name))], FrostLine);
    }

    /// <summary>
    /// Goes on with the audit of a training that was interrupted: compares from now on with what the tensors were then, and remembers what
    /// was found.
    /// </summary>
    /// <param name="ledger">The ledger of the interrupted training, in the same phase.</param>
    public void Continue(AuditLedger ledger)
    {
        ArgumentNullException.ThrowIfNull(ledger);
        Ledger = ledger;
    }

    /// <summary>
    /// Compares every parameter and buffer with what it was, bit for bit: since it was frozen last, and in earlier phases until they ended.
    /// </summary>
    /// <param name="references">
    /// Files with the values before, by the network's names or by the names under which they were loaded (the checkpoints themselves, or
    /// what <see cref="SaveFrozen"/> wrote); with them the audit also says by how much something moved. Default none.
    /// </param>
    /// <exception cref="ObjectDisposedException">The plan is no longer applied.</exception>
    public FreezeAudit Audit(IReadOnlyList<Checkpoint>? references = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var tree = ModuleTree.Of(Network);
        return Compare(tree, Fingerprints.Of(tree), references ?? []);
    }

    /// <summary>
    /// Reads a written file again and compares it, bit for bit, with what the tensors were that no phase so far let change. One of them
    /// that belongs into files and is not in it counts as moved.
    /// </summary>
    /// <param name="path">A checkpoint by the network's names, for example the run's <c>model.safetensors</c>.</param>
    /// <param name="references">As of <see cref="Audit"/>.</param>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public FreezeAudit AuditFile(string path, IReadOnlyList<Checkpoint>? references = null)
    {
        using var written = Checkpoint.Open(path);
        var within = Plan.Tensors
            .Where(tensor => tensor.Persistent && (tensor.State == TensorState.Drifting || !_changed.Contains(tensor.Name)))
            .Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        return new Auditor(Plan, Ledger, references ?? [], _initialized)
            .CompareFile(Fingerprints.Of(written, within), name => written.TryFind(name, out _) ? written.Read(name) : null, within);
    }

    /// <summary>
    /// Writes what must not change to a file, by the network's names: a reference for <see cref="Audit"/> that costs no memory. After
    /// <see cref="Update"/> write it again.
    /// </summary>
    /// <param name="path">The safetensors file to create or replace.</param>
    /// <exception cref="ObjectDisposedException">The plan is no longer applied.</exception>
    public void SaveFrozen(string path)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var held = Plan.Tensors.Where(tensor => tensor.State is TensorState.Frozen or TensorState.Drifting).Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        SafetensorsWriter.Write(path, [.. ModuleTree.Of(Network).DistinctTensors.Where(entry => held.Contains(entry.Name)).Select(entry => TensorBytes.SourceOf(entry.Name, entry.Tensor))]);
    }

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

    /// <summary>
    /// Has something follow the plan: before each change it is given what will be trained, and returns how it adapts, or throws where it
    /// cannot.
    /// </summary>
    /// <returns>Ends it.</returns>
    internal Action Follow(Func<IReadOnlyList<TrainedParameter>, Action> follower)
    {
        _followers.Add(follower);
        return () => _followers.Remove(follower);
    }

    [MemberNotNull(nameof(_plan), nameof(_resolution), nameof(_structure), nameof(Plan))]
    private void TakeOver(PlanResolution resolution, Dictionary<string, double> since, double epoch)
    {
        _plan = resolution.Plan;
        _resolution = resolution;
        _structure = new StructureCheck(resolution.Tree);
        _changed.UnionWith(resolution.Changing);
        _since = since;
        Plan = PlanStatus.Of(resolution, AllowsRandom ? OriginCheck.Doubts(resolution, _initialized) : []);
        _phases.Add(new PhaseReport(epoch, Plan.TrainedParameters, FrostLine));
    }

    /// <summary>When each parameter that a plan trains began to be trained, where the plan comes to hold at an epoch.</summary>
    private Dictionary<string, double> SinceOf(PlanResolution resolution, double epoch) => resolution.Trained.ToDictionary(
        tensor => tensor.Entry.Name, tensor => _since.GetValueOrDefault(tensor.Entry.Name, epoch), StringComparer.Ordinal);

    /// <summary>The ledger for the next phase: with the findings of this one, and with what is frozen next as it is now.</summary>
    private AuditLedger CloseAccounts(PlanResolution next)
    {
        var now = Fingerprints.Of(next.Tree);
        var audit = Compare(next.Tree, now, []);
        var states = next.Tensors.ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.State, StringComparer.Ordinal);
        bool IsHeld(TensorState state) => state is TensorState.Frozen or TensorState.Drifting;
        // What goes on to be trained may still move.
        var unmoved = audit.TrainedButUnmoved.Where(tensor => states.GetValueOrDefault(tensor.Name) != TensorState.Trained).ToList();
        var freezing = Plan.Tensors.Where(tensor => !IsHeld(tensor.State) && IsHeld(states[tensor.Name])).Select(tensor => tensor.Name);
        return new AuditLedger(Ledger.Fingerprints.With(freezing, now), audit.Moved, audit.StatedDrift, unmoved);
    }

    private FreezeAudit Compare(ModuleTree tree, Fingerprints now, IReadOnlyList<Checkpoint> references) => new Auditor(Plan, Ledger, references, _initialized)
        .Compare(now, name => tree.Find(name)?.Tensor is { } tensor ? TensorBytes.Read(tensor) : null, name => UnmovedCause.Of(tree.Find(name)?.Tensor));

    private static List<TrainedParameter> TrainedBy(PlanResolution resolution, StructureCheck structure, Dictionary<string, double> since) =>
    [
        .. resolution.Trained.Select(tensor => new TrainedParameter(
            tensor.Entry.Name,
            (Parameter)(structure.Current(tensor.Entry) ?? throw new FreezeException($"the parameter \"{tensor.Entry.Name}\" was taken out of the network")),
            tensor.LearningRate, tensor.WarmUp, since[tensor.Entry.Name])),
    ];

    /// <summary>Whether a plan is applied to a network that the module is part of.</summary>
    internal static bool IsApplied(torch.nn.Module module) => s_applied.TryGetValue(module, out _);

    private static void Forget(PlanResolution resolution)
    {
        foreach (var module in resolution.Modules) s_applied.Remove(module.Entry.Module);
    }

    /// <summary>On a tensor that was computed, requires_grad can be set to no effect at all, without an error.</summary>
    private static void RefuseNonLeaves(PlanResolution resolution)
    {
        foreach (var (entry, _, _, _) in resolution.Tensors)
        {
            if (entry.Kind == NodeKind.Parameter && !entry.Tensor.is_leaf)
                throw new FreezeException($"the parameter \"{entry.Name}\" was computed from other tensors and can be neither frozen nor trained; register a detached copy");
        }
    }

    private IEnumerable<(string Module, string What, string Text)> Faults()
    {
        foreach (var (module, what) in _structure.Changes()) yield return (module, what, $"{(module.Length == 0 ? "the network" : module)}: {what}");
        foreach (var (entry, state, _, _) in _resolution.Tensors)
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
