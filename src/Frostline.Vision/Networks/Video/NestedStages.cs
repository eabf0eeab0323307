using Frostline.Staging;

namespace Frostline.Vision.Networks;

/// <summary>The stages of a network that is a child of another one.</summary>
internal static class NestedStages
{
    /// <summary>The same stages under names that begin with the child's; the network's inputs keep theirs.</summary>
    /// <param name="prefix">The child's name.</param>
    /// <param name="child">The child.</param>
    /// <param name="rowsPerSample">How many rows of the batch it reads of each sample of the other network.</param>
    public static IEnumerable<Stage> Of(string prefix, IStagedNetwork child, int rowsPerSample) => child.Stages.Select(stage => stage.Renamed(
        $"{prefix}.{stage.Name}", name => child.Inputs.Contains(name) ? name : $"{prefix}.{name}", rowsPerSample));
}
