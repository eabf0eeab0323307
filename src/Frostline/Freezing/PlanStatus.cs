using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>What a plan makes of one tensor.</summary>
public enum TensorState
{
    /// <summary>A parameter that is trained.</summary>
    Trained,

    /// <summary>A parameter or buffer that must not change by a bit.</summary>
    Frozen,

    /// <summary>A running statistic that follows the batches, as by default or by a rule.</summary>
    Moving,

    /// <summary>
    /// A running statistic that will follow the batches though the parameters around it are frozen and no rule says so: most
    /// likely a mistake. The audit counts it among the frozen tensors, and names it once it has moved.
    /// </summary>
    Drifting,

    /// <summary>Any other buffer of a part that is not frozen: the network may change it or not.</summary>
    Free,
}

/// <summary>What a plan makes of one module with all below it.</summary>
public enum ModuleState
{
    /// <summary>Nothing in it can change and nothing could: it has no parameters, buffers or dropout.</summary>
    Stateless,

    /// <summary>All of it is trained: parameters, moving statistics, active dropout.</summary>
    Trained,

    /// <summary>All of it is frozen.</summary>
    Frozen,

    /// <summary>Some of it is frozen and some is not.</summary>
    Mixed,

    /// <summary>It contradicts itself, or the plan; <see cref="ModuleStatus.Reason"/> says how.</summary>
    Irregular,
}

/// <summary>One tensor under a plan.</summary>
/// <param name="Name">Its dotted name.</param>
/// <param name="Kind">A parameter or a buffer.</param>
/// <param name="State">What it does.</param>
/// <param name="Elements">How many elements it has.</param>
/// <param name="Owner">The name of the module that holds it.</param>
/// <param name="Stage">The stage that owns it, or null where the network has none.</param>
/// <param name="LearningRateMultiplier">The factor on the learning rate; 1 where it is not trained.</param>
/// <param name="Persistent">Whether it belongs into files.</param>
public sealed record TensorStatus(
    string Name, NodeKind Kind, TensorState State, long Elements, string Owner, string? Stage, double LearningRateMultiplier, bool Persistent);

/// <summary>One module, with all below it, under a plan.</summary>
/// <param name="Name">Its dotted name; empty for the root.</param>
/// <param name="Type">The name of its type.</param>
/// <param name="State">What it does.</param>
/// <param name="Reason">Why it is irregular; null otherwise.</param>
/// <param name="TrainedParameters">Elements of trained parameters in it, tied ones counted once, where they come first.</param>
/// <param name="FrozenParameters">Elements of frozen parameters in it.</param>
/// <param name="Norm">What its own running statistics do; null where it has none itself.</param>
/// <param name="Dropout">Whether its own dropout is active in training; null where it has none itself.</param>
/// <param name="Stage">The stage that owns it, or null.</param>
public sealed record ModuleStatus(
    string Name, string Type, ModuleState State, string? Reason, long TrainedParameters, long FrozenParameters, NormPolicy? Norm, bool? Dropout,
    string? Stage)
{
    /// <summary>Elements of all parameters in it.</summary>
    public long Parameters => TrainedParameters + FrozenParameters;
}

/// <summary>One stage under a plan.</summary>
/// <param name="Name">The stage's name.</param>
/// <param name="TrainedParameters">Elements of trained parameters that it owns.</param>
/// <param name="FrozenParameters">Elements of frozen parameters that it owns.</param>
/// <param name="StatisticsMove">Whether running statistics or other buffers in it may change.</param>
/// <param name="DropoutActive">Whether a dropout with a rate above zero is active in it.</param>
/// <param name="DependsOnBatch">
/// Whether a norm without running statistics makes what it computes for a sample depend on the rest of the batch.
/// </param>
public sealed record StageStatus(
    string Name, long TrainedParameters, long FrozenParameters, bool StatisticsMove, bool DropoutActive, bool DependsOnBatch)
{
    /// <summary>Whether anything at all can change what the stage computes for a sample; where nothing can, it is frozen.</summary>
    public bool CanChange => TrainedParameters > 0 || StatisticsMove || DropoutActive || DependsOnBatch;
}

/// <summary>A plan laid over a network, in numbers and words; changes nothing.</summary>
public sealed class PlanStatus
{
    private PlanStatus(
        IReadOnlyList<TensorStatus> tensors, IReadOnlyList<ModuleStatus> modules, IReadOnlyList<StageStatus> stages,
        IReadOnlyList<DoubtfulTensor> doubts, IReadOnlyList<string> warnings)
    {
        (Tensors, Modules, Stages, Doubts, Warnings) = (tensors, modules, stages, doubts, warnings);
    }

    /// <summary>Each distinct parameter and buffer, in the network's order.</summary>
    public IReadOnlyList<TensorStatus> Tensors { get; }

    /// <summary>Each module, the root first.</summary>
    public IReadOnlyList<ModuleStatus> Modules { get; }

    /// <summary>Each stage in order; empty where the network has none.</summary>
    public IReadOnlyList<StageStatus> Stages { get; }

    /// <summary>Tensors that would be frozen though nobody loaded them; <see cref="FreezePlan.Apply"/> refuses them unless told otherwise.</summary>
    public IReadOnlyList<DoubtfulTensor> Doubts { get; }

    /// <summary>What is allowed and still likely to be a mistake, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>
    /// The frost line: the first stage in which anything can change. Null where the network has no stages or nothing can change.
    /// </summary>
    public string? FrostLine => Stages.FirstOrDefault(stage => stage.CanChange)?.Name;

    /// <summary>Elements of all parameters, tied ones counted once.</summary>
    public long Parameters => TrainedParameters + FrozenParameters;

    /// <summary>Elements of all trained parameters.</summary>
    public long TrainedParameters => Modules[0].TrainedParameters;

    /// <summary>Elements of all frozen parameters.</summary>
    public long FrozenParameters => Modules[0].FrozenParameters;

    /// <summary>How many parameters and buffers must not change.</summary>
    public int FrozenTensors => Tensors.Count(tensor => tensor.State is TensorState.Frozen or TensorState.Drifting);

    /// <summary>A table: a row for each part of the network that is uniform, then totals, the frost line and warnings.</summary>
    public string Describe() => PlanTable.Write(this);

    internal static PlanStatus Of(PlanResolution resolution, IReadOnlyList<DoubtfulTensor> doubts, IReadOnlyDictionary<string, string>? irregular = null)
    {
        var tensors = resolution.Tensors.Select(decision => new TensorStatus(
            decision.Entry.Name, decision.Entry.Kind, decision.State, decision.Entry.Tensor.numel(), decision.Entry.Owner, decision.Entry.Stage,
            decision.LearningRate, decision.Entry.Persistent)).ToList();
        var modules = ModuleStates.Of(resolution, tensors, irregular ?? new Dictionary<string, string>(StringComparer.Ordinal));
        return new PlanStatus(tensors, modules, StagesOf(resolution, tensors), doubts, WarningsOf(resolution, tensors));
    }

    private static List<StageStatus> StagesOf(PlanResolution resolution, List<TensorStatus> tensors)
    {
        var byStage = tensors.Where(tensor => tensor.Stage is not null).ToLookup(tensor => tensor.Stage!, StringComparer.Ordinal);
        var modules = resolution.Modules.Where(module => module.Entry.Stage is not null).ToLookup(module => module.Entry.Stage!, StringComparer.Ordinal);
        return [.. resolution.Tree.Selection.Stages.Select(stage => new StageStatus(
            stage,
            byStage[stage].Where(tensor => tensor.State == TensorState.Trained).Sum(tensor => tensor.Elements),
            byStage[stage].Where(tensor => tensor.Kind == NodeKind.Parameter && tensor.State == TensorState.Frozen).Sum(tensor => tensor.Elements),
            byStage[stage].Any(tensor => tensor.State is TensorState.Moving or TensorState.Drifting or TensorState.Free),
            modules[stage].Any(module => module.Dropout == true && ModuleTypes.IsActive(module.Entry.Module)),
            modules[stage].Any(module => ModuleTypes.DependsOnBatch(module.Entry.Module))))];
    }

    private static List<string> WarningsOf(PlanResolution resolution, List<TensorStatus> tensors)
    {
        var warnings = new List<string>();
        var drifting = tensors.Where(tensor => tensor.State == TensorState.Drifting).Select(tensor => tensor.Owner).Distinct(StringComparer.Ordinal).ToList();
        if (drifting.Count > 0)
            warnings.Add($"running statistics will drift below frozen parameters in {FreezeException.Few(drifting)}; freeze the modules, or say norm: move or norm: hold");
        var trained = tensors.Where(tensor => tensor.State == TensorState.Trained).Select(tensor => tensor.Owner).ToHashSet(StringComparer.Ordinal);
        var parameters = tensors.Where(tensor => tensor.Kind == NodeKind.Parameter).Select(tensor => tensor.Owner).ToHashSet(StringComparer.Ordinal);
        var stated = tensors.Where(tensor => tensor.State == TensorState.Moving && parameters.Contains(tensor.Owner) && !trained.Contains(tensor.Owner))
            .Select(tensor => tensor.Owner).Distinct(StringComparer.Ordinal).ToList();
        if (stated.Count > 0) warnings.Add($"running statistics move below frozen parameters, as the plan says, in {FreezeException.Few(stated)}");
        var batch = resolution.Modules.Where(module => ModuleTypes.DependsOnBatch(module.Entry.Module) && !trained.Contains(module.Entry.Name))
            .Select(module => module.Entry.Name).ToList();
        if (batch.Count > 0)
            warnings.Add($"{FreezeException.Few(batch)} track no running statistics: frozen or not, they normalise each sample by its batch");
        if (trained.Count == 0) warnings.Add("nothing is trained");
        return warnings;
    }
}
