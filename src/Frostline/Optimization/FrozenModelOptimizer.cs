using Frostline.Freezing;

namespace Frostline.Optimization;

/// <summary>Builds optimizers for what a freeze plan trains.</summary>
public static class FrozenModelOptimizer
{
    /// <summary>
    /// An optimizer over exactly the parameters that the plan trains, with a group for each learning-rate multiplier, called
    /// <c>1x</c>, <c>0.1x</c> and so on.
    /// </summary>
    /// <param name="frozen">A network with its plan applied.</param>
    /// <param name="settings">Which optimizer, with all its numbers.</param>
    /// <exception cref="FrostlineException">The plan trains nothing, or a number of the settings is out of its range.</exception>
    public static NamedOptimizer Optimizer(this FrozenModel frozen, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(frozen);
        var groups = frozen.Trained
            .GroupBy(trained => trained.LearningRateMultiplier)
            .Select(group => new OptimizerGroup(
                FormattableString.Invariant($"{group.Key}x"),
                [.. group.Select(trained => new NamedParameter(trained.Name, trained.Parameter))],
                group.Key));
        return new NamedOptimizer(settings, groups);
    }
}
