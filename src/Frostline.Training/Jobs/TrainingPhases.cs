using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Optimization;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>Brings a frozen model from phase to phase of its plan.</summary>
internal static class TrainingPhases
{
    /// <summary>Goes over to the plan of an epoch.</summary>
    /// <param name="plan">The plan with its phases.</param>
    /// <param name="frozen">The network with an earlier phase applied.</param>
    /// <param name="epoch">The epoch that begins, from 0.</param>
    /// <param name="plateaus">The epochs at whose beginning a plateau was behind them, see <see cref="TrainingState.Plateaus"/>.</param>
    public static PlanChange Enter(FreezePlan plan, FrozenModel frozen, int epoch, IReadOnlyList<int> plateaus) =>
        frozen.Update(plan.At(epoch, plateaus.Count(plateau => plateau <= epoch)), epoch);

    /// <summary>
    /// Applies the plan with which an interrupted training began and passes through all of its phases, and through those of plans that it
    /// was given since, so that everything that depends on when a parameter began to be trained is as it was; goes on with its audit.
    /// Rules that are new with this resumption have not come to hold afterwards.
    /// </summary>
    /// <param name="bench">The workbench of the recipe of now.</param>
    /// <param name="history">Which rules the training has had.</param>
    /// <param name="network">The network with the values of the checkpoint.</param>
    /// <param name="report">Where its first values came from.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    public static FrozenModel Resume(
        Workbench bench, PlanHistory history, torch.nn.Module network, InitializationReport report, TrainingCheckpoint checkpoint)
    {
        var state = checkpoint.State;
        var plans = history.Former.Select(former => (Bench: bench.WithRulesOf(former.Recipe), former.From, former.Through)).ToList();
        if (!history.IsNew) plans.Add((bench, history.From, Math.Max(history.From, PlanHistory.LastBegun(state))));
        var frozen = plans[0].Bench.ApplyPlan(network, report);
        Resume(plans.ConvertAll(plan => (plan.Bench.CreatePlan(), plan.From, plan.Through)), frozen, checkpoint);
        return frozen;
    }

    /// <summary>Passes through the phases of plans, each of which held through some epochs, and goes on with the audit.</summary>
    public static void Resume(IEnumerable<(FreezePlan Plan, int From, int Through)> plans, FrozenModel frozen, TrainingCheckpoint checkpoint)
    {
        foreach (var (plan, from, through) in plans)
            for (var epoch = from; epoch <= through; epoch++) Enter(plan, frozen, epoch, checkpoint.State.Plateaus);
        frozen.Continue(AuditLedger.FromJson(checkpoint.Metadata[TrainingCheckpoint.LedgerKey]));
    }

    /// <summary>All tensors that training may change now: what a moving average follows.</summary>
    public static List<NamedTensor> Changing(FrozenModel frozen)
    {
        var held = frozen.Plan.Tensors
            .Where(tensor => tensor.State == TensorState.Frozen)
            .Select(tensor => tensor.Name)
            .ToHashSet(StringComparer.Ordinal);
        return
        [
            .. ModuleTree.Of(frozen.Network).DistinctTensors
                .Where(entry => !held.Contains(entry.Name))
                .Select(entry => new NamedTensor(entry.Name, entry.Tensor)),
        ];
    }
}
