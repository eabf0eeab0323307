namespace Frostline.Staging;

/// <summary>
/// Which stages of a network have to run for some outputs, what they need from outside, and when each tensor is used for the
/// last time. Computed from names alone.
/// </summary>
public sealed class StageSchedule
{
    private StageSchedule(
        IReadOnlyList<Stage> stages, IReadOnlyList<string> inputs, IReadOnlyList<string> outputs, IReadOnlyList<IReadOnlyList<string>> released)
    {
        Stages = stages;
        Inputs = inputs;
        Outputs = outputs;
        Released = released;
    }

    /// <summary>The stages that run, in order.</summary>
    public IReadOnlyList<Stage> Stages { get; }

    /// <summary>What has to be given: inputs of the network, or what stages before the range write.</summary>
    public IReadOnlyList<string> Inputs { get; }

    /// <summary>What comes out, in the order asked for.</summary>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>For each stage that runs, the names that nobody reads after it.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Released { get; }

    /// <summary>The whole network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="outputs">The names to put out; default <see cref="IStagedNetwork.Outputs"/>. Any name that a stage writes will do: a tap.</param>
    /// <exception cref="FrostlineException">A name is unknown, or the network's stages do not fit together.</exception>
    public static StageSchedule Whole(IStagedNetwork network, IReadOnlyList<string>? outputs = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        return Of(network, 0, network.Stages.Count, outputs ?? network.Outputs);
    }

    /// <summary>The stages before one: what they put out is what that stage and those after it need of them.</summary>
    /// <param name="network">The network.</param>
    /// <param name="stage">The first stage that does not run.</param>
    /// <param name="outputs">The outputs that the whole network is to have; default <see cref="IStagedNetwork.Outputs"/>.</param>
    /// <exception cref="FrostlineException">A name is unknown, or the network's stages do not fit together.</exception>
    public static StageSchedule Prefix(IStagedNetwork network, string stage, IReadOnlyList<string>? outputs = null)
    {
        var cut = IndexOf(network, stage);
        var given = network.Inputs.ToHashSet(StringComparer.Ordinal);
        return Of(network, 0, cut, [.. Suffix(network, stage, outputs).Inputs.Where(name => !given.Contains(name))]);
    }

    /// <summary>A stage and those after it.</summary>
    /// <param name="network">The network.</param>
    /// <param name="stage">The first stage that runs.</param>
    /// <param name="outputs">The names to put out; default <see cref="IStagedNetwork.Outputs"/>.</param>
    /// <exception cref="FrostlineException">A name is unknown, or the network's stages do not fit together.</exception>
    public static StageSchedule Suffix(IStagedNetwork network, string stage, IReadOnlyList<string>? outputs = null)
    {
        var cut = IndexOf(network, stage);
        return Of(network, cut, network.Stages.Count, outputs ?? network.Outputs);
    }

    /// <summary>A range of stages, of which only those run that the outputs need.</summary>
    /// <param name="network">The network.</param>
    /// <param name="first">The index of the first stage.</param>
    /// <param name="end">The index behind the last stage.</param>
    /// <param name="outputs">The names to put out. What is written before <paramref name="first"/> is handed through from the inputs.</param>
    /// <exception cref="FrostlineException">A name is unknown or written only later, or the network's stages do not fit together.</exception>
    public static StageSchedule Of(IStagedNetwork network, int first, int end, IReadOnlyList<string> outputs)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, network.Stages.Count);
        var writers = Writers(network);
        CheckOutputs(network, writers, end, outputs);

        var needed = outputs.ToHashSet(StringComparer.Ordinal);
        var stages = new List<Stage>();
        for (var i = end - 1; i >= first; i--)
        {
            var stage = network.Stages[i];
            if (!stage.Writes.Any(needed.Contains)) continue;
            stages.Add(stage);
            needed.UnionWith(stage.Reads);
        }

        stages.Reverse();
        var written = stages.SelectMany(stage => stage.Writes).ToHashSet(StringComparer.Ordinal);
        var inputs = stages.SelectMany(stage => stage.Reads).Concat(outputs)
            .Where(name => !written.Contains(name)).Distinct(StringComparer.Ordinal).ToList();
        return new StageSchedule(stages, inputs, [.. outputs.Distinct(StringComparer.Ordinal)], ReleasedAfter(stages, inputs, outputs));
    }

    /// <summary>The index of a stage.</summary>
    /// <exception cref="FrostlineException">There is none of that name.</exception>
    public static int IndexOf(IStagedNetwork network, string stage)
    {
        ArgumentNullException.ThrowIfNull(network);
        for (var i = 0; i < network.Stages.Count; i++)
            if (network.Stages[i].Name == stage) return i;
        var names = network.Stages.Select(s => s.Name).ToList();
        throw new FrostlineException(
            $"the network has no stage \"{stage}\"; its stages are {string.Join(", ", names)}{NearestNames.Hint(stage, names)}");
    }

    /// <summary>Which stage writes each name; checks that the stages fit together.</summary>
    private static Dictionary<string, int> Writers(IStagedNetwork network)
    {
        var writers = network.Inputs.ToDictionary(name => name, _ => -1, StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < network.Stages.Count; i++)
        {
            var stage = network.Stages[i];
            if (!names.Add(stage.Name))
                throw new FrostlineException($"two stages are called \"{stage.Name}\"; give one of them another name");
            foreach (var name in stage.Reads)
                if (!writers.ContainsKey(name))
                    throw new FrostlineException(
                        $"the stage \"{stage.Name}\" reads \"{name}\", " +
                        $"which nothing before it writes{NearestNames.Hint(name, writers.Keys)}");
            foreach (var name in stage.Writes)
                if (!writers.TryAdd(name, i))
                    throw new FrostlineException(
                        $"the stage \"{stage.Name}\" writes \"{name}\", which is already an input or another stage's; " +
                        "choose another name");
        }

        return writers;
    }

    private static void CheckOutputs(IStagedNetwork network, Dictionary<string, int> writers, int end, IReadOnlyList<string> outputs)
    {
        foreach (var name in outputs)
        {
            if (!writers.TryGetValue(name, out var writer))
                throw new FrostlineException($"no stage writes \"{name}\"{NearestNames.Hint(name, writers.Keys)}");
            if (writer >= end)
                throw new FrostlineException(
                    $"\"{name}\" is written by the stage \"{network.Stages[writer].Name}\", " +
                    "which lies behind the stages that run");
        }
    }

    private static string[][] ReleasedAfter(List<Stage> stages, List<string> inputs, IReadOnlyList<string> outputs)
    {
        var last = inputs.ToDictionary(name => name, _ => 0, StringComparer.Ordinal);
        for (var i = 0; i < stages.Count; i++)
            foreach (var name in stages[i].Reads.Concat(stages[i].Writes)) last[name] = i;
        foreach (var name in outputs) last.Remove(name);
        return [.. stages.Select((_, i) => last.Where(pair => pair.Value == i).Select(pair => pair.Key).Order(StringComparer.Ordinal).ToArray())];
    }
}
