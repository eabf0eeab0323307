using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>What a plan decides about one tensor of a network.</summary>
/// <param name="Entry">The tensor under its first name.</param>
/// <param name="State">What it does.</param>
/// <param name="LearningRate">The factor on the learning rate; 1 where it is not trained.</param>
/// <param name="WarmUp">Over how many epochs the rate rises once it is trained.</param>
internal sealed record TensorDecision(TensorEntry Entry, TensorState State, double LearningRate = 1, double WarmUp = 0);

/// <summary>What a plan decides about one module.</summary>
/// <param name="Entry">The module under its first name.</param>
/// <param name="Norm">What its own statistics do; null where it has none.</param>
/// <param name="Dropout">Whether its own randomness is on; null where it has none that is known.</param>
/// <param name="Held">Whether it has to stay in inference mode.</param>
/// <param name="HoldRequired">Whether the plan cannot be kept where that is impossible.</param>
internal sealed record ModuleDecision(ModuleEntry Entry, NormPolicy? Norm, bool? Dropout, bool Held, bool HoldRequired);

/// <summary>A plan laid over a network: a decision for every tensor and every module, or an error.</summary>
internal sealed class PlanResolution
{
    private PlanResolution(
        ModuleTree tree, FreezePlan plan, IReadOnlyList<TensorDecision> tensors, IReadOnlyList<ModuleDecision> modules, IReadOnlySet<int> effective)
    {
        Tree = tree;
        Plan = plan;
        Tensors = tensors;
        Modules = modules;
        Effective = [.. effective.Where(rule => rule >= 0).Select(rule => plan.RuleList[rule])];
    }

    internal ModuleTree Tree { get; }

    internal FreezePlan Plan { get; }

    /// <summary>A decision for each distinct tensor, in the network's order.</summary>
    internal IReadOnlyList<TensorDecision> Tensors { get; }

    /// <summary>A decision for each distinct module, in the network's order.</summary>
    internal IReadOnlyList<ModuleDecision> Modules { get; }

    /// <summary>The rules that have the last word about something.</summary>
    internal IReadOnlyList<FreezePlanRule> Effective { get; }

    /// <summary>The names of all tensors that may change.</summary>
    internal IEnumerable<string> Changing => Tensors.Where(tensor => tensor.State != TensorState.Frozen).Select(tensor => tensor.Entry.Name);

    /// <summary>The parameters that are trained.</summary>
    internal IEnumerable<TensorDecision> Trained => Tensors.Where(tensor => tensor.State == TensorState.Trained);

    /// <summary>Lays a plan, or one phase of it, over a network.</summary>
    internal static PlanResolution Of(ModuleTree tree, FreezePlan plan)
    {
        var marks = RuleMarks.Of(tree, plan);
        RefuseConflicts(tree, marks);

        var tensors = tree.DistinctTensors.Select(entry => Decide(entry, marks)).ToList();
        var held = HeldModules(tree, marks, tensors);
        var modules = tree.Modules.Where(entry => entry.AliasOf is null).Select(entry => new ModuleDecision(
            entry,
            marks.Norm(entry)?.Policy,
            marks.Dropout(entry)?.Active,
            held.TryGetValue(entry.Name, out var required),
            required)).ToList();
        return new PlanResolution(tree, plan, tensors, modules, marks.Effective);
    }

    private static TensorDecision Decide(TensorEntry entry, RuleMarks marks)
    {
        if (entry.Kind == NodeKind.Parameter)
        {
            var mark = marks.Parameter(entry);
            return mark.Trained ? new TensorDecision(entry, TensorState.Trained, mark.LearningRate, mark.WarmUp) : new TensorDecision(entry, TensorState.Frozen);
        }

        if (marks.OwnerNorm(entry) is not { } norm) return new TensorDecision(entry, marks.BufferHeld(entry) ? TensorState.Frozen : TensorState.Free);
        if (norm.Policy == NormPolicy.Hold) return new TensorDecision(entry, TensorState.Frozen);
        // Nobody said that the statistics move, and what surrounds them is frozen: most likely they were forgotten.
        var forgotten = norm.Rule < 0 && marks.ParametersFrozenAround(entry);
        return new TensorDecision(entry, forgotten ? TensorState.Drifting : TensorState.Moving);
    }

    /// <summary>
    /// The modules that stay in inference mode, and whether that is indispensable. A module of a type that is not TorchSharp's
    /// may look at its own training flag (a stochastic depth, a functional dropout): where all of it is frozen, it is held too.
    /// </summary>
    private static Dictionary<string, bool> HeldModules(ModuleTree tree, RuleMarks marks, List<TensorDecision> tensors)
    {
        var changing = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in tensors)
            if (tensor.State is not TensorState.Frozen) AddWithAncestors(changing, tensor.Entry.Owner);
        foreach (var entry in tree.Modules)
            if (marks.Dropout(entry) is { Active: true }) AddWithAncestors(changing, entry.Name);

        var held = new Dictionary<string, bool>(StringComparer.Ordinal);
        foreach (var entry in tree.Modules.Where(entry => entry.AliasOf is null))
        {
            var norm = marks.Norm(entry);
            var dropout = marks.Dropout(entry);
            var moves = norm is { Policy: NormPolicy.Move };
            if (norm is { Policy: NormPolicy.Hold } || (dropout is { Active: false } && !moves)) held[entry.Name] = true;
            else if (!moves && !ModuleTypes.IsLibraryType(entry.Module) && marks.DropoutOff(entry) && !changing.Contains(entry.Name)) held[entry.Name] = false;
        }

        return held;
    }

    private static void AddWithAncestors(HashSet<string> names, string name)
    {
        while (names.Add(name) && name.Length > 0) name = name.LastIndexOf('.') is var dot and >= 0 ? name[..dot] : "";
    }

    /// <summary>One tensor, one module has one state, whatever name it is called by.</summary>
    private static void RefuseConflicts(ModuleTree tree, RuleMarks marks)
    {
        foreach (var alias in tree.Tensors.Where(entry => entry.AliasOf is not null && entry.Kind == NodeKind.Parameter))
        {
            var first = tree.Find(alias.AliasOf!)!;
            if (first.Kind != NodeKind.Parameter) continue;
            var (one, other) = (marks.Parameter(first), marks.Parameter(alias));
            if (one.Trained != other.Trained)
            {
                var (trained, frozen) = one.Trained ? (first, alias) : (alias, first);
                throw new FreezeException(
                    $"\"{frozen.Name}\" is frozen and \"{trained.Name}\" is trained, but they are one tied parameter; name both in one rule");
            }

            if (one.Trained && (one.LearningRate, one.WarmUp) != (other.LearningRate, other.WarmUp))
                throw new FreezeException($"\"{first.Name}\" and \"{alias.Name}\" are one tied parameter with two learning rates; name both in one rule");
        }

        foreach (var alias in tree.Modules.Where(entry => entry.AliasOf is not null))
        {
            var first = tree.Modules.First(entry => entry.Name == alias.AliasOf);
            if (marks.Norm(first)?.Policy != marks.Norm(alias)?.Policy)
                throw new FreezeException($"\"{first.Name}\" and \"{alias.Name}\" are one module whose statistics are to move and to be held; name both in one rule");
            if (marks.Dropout(first)?.Active != marks.Dropout(alias)?.Active)
                throw new FreezeException($"\"{first.Name}\" and \"{alias.Name}\" are one module whose dropout is to be on and off; name both in one rule");
        }
    }
}
