using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Optimization;
using Frostline.Training.Runs;

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
    /// Passes through all phases of an interrupted training, so that everything that depends on when a parameter began to be trained is as
    /// it was, and goes on with its audit. An epoch without a finished batch has not begun.
    /// </summary>
    public static void Resume(FreezePlan plan, FrozenModel frozen, TrainingCheckpoint checkpoint)
    {
        var state = checkpoint.State;
        var begun = state.Batch > 0 ? state.Epoch : state.Epoch - 1;
        for (var epoch = 0; epoch <= begun; epoch++) Enter(plan, frozen, epoch, state.Plateaus);
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
