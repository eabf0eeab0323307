using Frostline.Modules;

namespace Frostline.Freezing;

/// <summary>Lays all phases of a plan over a network, so that a mistake in a late one is found before training.</summary>
internal static class PlanPhases
{
    /// <summary>The phases in order, the first one first. A rule has to have an effect in one of them.</summary>
    internal static IReadOnlyList<(PhaseStart Start, PlanResolution Resolution)> Resolve(ModuleTree tree, FreezePlan plan) => Resolve(tree, plan, out _);

    /// <summary>
    /// All phases that a training may pass through: those of <see cref="Resolve(ModuleTree, FreezePlan)"/>, and those of a plateau that comes
    /// before the last epoch at which rules join.
    /// </summary>
    internal static IReadOnlyList<(PhaseStart Start, PlanResolution Resolution)> Every(ModuleTree tree, FreezePlan plan)
    {
        var phases = Resolve(tree, plan, out var between);
        return [.. phases, .. between];
    }

    private static List<(PhaseStart Start, PlanResolution Resolution)> Resolve(
        ModuleTree tree, FreezePlan plan, out List<(PhaseStart Start, PlanResolution Resolution)> between)
    {
        between = [];
        if (plan.IsPhase) return [(default, PlanResolution.Of(tree, plan))];
        var lastEpoch = plan.PhaseEpochs[^1];
        var starts = plan.PhaseEpochs.Select(epoch => new PhaseStart(epoch, 0))
            .Concat(Enumerable.Range(1, plan.Plateaus).Select(plateau => new PhaseStart(lastEpoch, plateau)));
        var phases = starts.Select(At).ToList();

        // A plateau may come before the last epoch at which rules join: then these phases are passed through too.
        between = [.. plan.PhaseEpochs.SkipLast(1).SelectMany(epoch => Enumerable.Range(1, plan.Plateaus).Select(plateau => At(new PhaseStart(epoch, plateau))))];
        RefuseWithoutEffect(plan, phases.Concat(between).Select(phase => phase.Resolution));
        return phases;

        (PhaseStart Start, PlanResolution Resolution) At(PhaseStart start) => (start, PlanResolution.Of(tree, plan.At(start.Epoch, start.Plateaus)));
    }

    private static void RefuseWithoutEffect(FreezePlan plan, IEnumerable<PlanResolution> phases)
    {
        // By reference: a rule that stands there twice has an effect once.
        var effective = phases.SelectMany(phase => phase.Effective).ToHashSet<object>(ReferenceEqualityComparer.Instance);
        if (plan.RuleList.FirstOrDefault(rule => !effective.Contains(rule)) is { } idle)
            throw new FreezeException($"the rule {idle.Text} has no effect: later rules override all of it; take it away or move it down");
    }
}
