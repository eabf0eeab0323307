namespace Frostline.Staging;

/// <summary>
/// Finds the frost line: the first stage in which anything can change (a trained parameter, moving statistics, an active
/// dropout). The stages before it are the frozen prefix.
/// </summary>
public static class FrostLine
{
    /// <summary>The first stage in which anything can change.</summary>
    /// <param name="network">The network.</param>
    /// <param name="canChange">Whether anything in the stage of that name can change.</param>
    /// <returns>The stage, or null where nothing can change: the whole network is a frozen prefix.</returns>
    public static Stage? Find(IStagedNetwork network, Func<string, bool> canChange)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(canChange);
        return network.Stages.FirstOrDefault(stage => canChange(stage.Name));
    }

    /// <summary>The first stage in which anything can change, from answers about single tensors and modules.</summary>
    /// <param name="network">The network, which is also the module whose names are meant.</param>
    /// <param name="changing">
    /// The dotted names of all trained parameters, of all buffers that move, and of all modules with an active dropout.
    /// </param>
    /// <returns>The stage, or null where nothing can change.</returns>
    /// <exception cref="FrostlineException">A name belongs to no stage.</exception>
    public static Stage? Find(IStagedNetwork network, IEnumerable<string> changing)
    {
        ArgumentNullException.ThrowIfNull(changing);
        var map = StageMap.Of(network);
        var stages = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in changing)
            stages.Add(map.StageOf(name)
                ?? throw new FrostlineException($"\"{name}\" belongs to no stage of the network; add its module to a stage"));
        return Find(network, stages.Contains);
    }
}
