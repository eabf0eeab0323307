namespace Frostline.Training.Data;

/// <summary>
/// The samples that an epoch visits: a function of the data set's labels, the seed and the epoch, and of nothing else.
/// </summary>
public static class SampleOrder
{
    /// <summary>The indices in the order of an epoch; as many as the data set has samples.</summary>
    /// <param name="dataset">The data set.</param>
    /// <param name="mode">How samples are chosen.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <exception cref="FrostlineException">Balanced sampling of a set without classes.</exception>
    public static int[] Of(IDataset dataset, SamplingMode mode, long seed, int epoch)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        if (mode == SamplingMode.Balanced) return Balanced(dataset, new CounterRandom(seed, $"order:{epoch}"));
        var order = new int[dataset.Count];
        for (var i = 0; i < order.Length; i++) order[i] = i;
        if (mode == SamplingMode.Shuffled) new CounterRandom(seed, $"order:{epoch}").Shuffle<int>(order);
        return order;
    }

    /// <summary>
    /// Every sample once, shuffled so that neighbours stay neighbours: the seed deals the samples out to chunks, which are the same in every
    /// epoch; an epoch shuffles the chunks, and the samples in each. An epoch by itself is as random as a full shuffle.
    /// </summary>
    /// <param name="count">How many samples there are.</param>
    /// <param name="chunk">How many of them a chunk has; the last one may have fewer.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    internal static int[] InChunks(int count, int chunk, long seed, int epoch)
    {
        var dealt = Enumerable.Range(0, count).ToArray();
        new CounterRandom(seed, "chunks").Shuffle<int>(dealt);
        var chunks = dealt.Chunk(chunk).ToArray();
        var random = new CounterRandom(seed, $"order:{epoch}");
        random.Shuffle<int[]>(chunks);
        foreach (var samples in chunks) random.Shuffle<int>(samples);
        return [.. chunks.SelectMany(samples => samples)];
    }

    /// <summary>For each position, how many earlier positions hold the same index.</summary>
    internal static int[] Repeats(int[] order)
    {
        var seen = new Dictionary<int, int>(order.Length);
        var repeats = new int[order.Length];
        for (var i = 0; i < order.Length; i++)
        {
            seen.TryGetValue(order[i], out repeats[i]);
            seen[order[i]] = repeats[i] + 1;
        }

        return repeats;
    }

    private static int[] Balanced(IDataset dataset, CounterRandom random)
    {
        if (dataset.Classes is not { } classes)
            throw new FrostlineException("balanced sampling needs a data set with classes; use sampling: shuffled");
        var members = new List<int>[classes.Names.Count + 1];
        for (var k = 0; k < members.Length; k++) members[k] = [];
        for (var i = 0; i < dataset.Count; i++)
        {
            var labels = dataset.LabelsOf(i);
            if (labels.Count == 0) members[^1].Add(i);
            foreach (var label in labels) members[label].Add(i);
        }

        var present = members.Where(m => m.Count > 0).ToArray();
        var order = new int[dataset.Count];
        for (var i = 0; i < order.Length; i++)
        {
            var drawn = present[random.NextInt32(present.Length)];
            order[i] = drawn[random.NextInt32(drawn.Count)];
        }

        return order;
    }
}
