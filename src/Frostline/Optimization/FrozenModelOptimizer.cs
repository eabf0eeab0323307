using Frostline.Freezing;
using Frostline.Modules;

namespace Frostline.Optimization;

/// <summary>Builds optimizers for what a freeze plan trains.</summary>
public static class FrozenModelOptimizer
{
    /// <summary>
    /// An optimizer over exactly the parameters that the plan trains, with a group for each learning rate, weight decay, schedule and
    /// warm-up, called <c>1x</c>, <c>0.1x</c> and so on. It follows <see cref="FrozenModel.Update"/>.
    /// </summary>
    /// <param name="frozen">A network with its plan applied.</param>
    /// <param name="settings">Which optimizer, with all its numbers.</param>
    /// <param name="groups">How parameters are trained apart from that; null, the default, for the plan's learning-rate factors alone.</param>
    /// <exception cref="Selection.SelectionException">A selector of the groups matches nothing.</exception>
    /// <exception cref="FrostlineException">
    /// The plan trains nothing, a number of the settings is out of its range, or a rule of the groups matches no parameter.
    /// </exception>
    public static NamedOptimizer Optimizer(this FrozenModel frozen, OptimizerSettings settings, ParameterGroups? groups = null)
    {
        ArgumentNullException.ThrowIfNull(frozen);
        var rules = groups ?? new ParameterGroups();
        return new NamedOptimizer(settings, GroupsOf(frozen.Trained)).Following(frozen, GroupsOf);

        IReadOnlyList<OptimizerGroup> GroupsOf(IReadOnlyList<TrainedParameter> trained) => rules.Of(ModuleTree.Of(frozen.Network), trained);
    }
}
