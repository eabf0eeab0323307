namespace Frostline.Initialization;

/// <summary>
/// A linear map of a tensor along one of its axes: the slice j of the result is the sum of slices of the old tensor, each times a
/// factor.
/// </summary>
/// <param name="Old">The axis's old size.</param>
/// <param name="Terms">For each new slice the old ones with their factors.</param>
internal sealed record AxisMap(int Old, IReadOnlyList<IReadOnlyList<(int Slice, double Factor)>> Terms)
{
    /// <summary>The axis's new size.</summary>
    public int New => Terms.Count;

    /// <summary>The first slices as they are.</summary>
    public static AxisMap First(int old, int now) => Of(old, now, j => [(j, 1)]);

    /// <summary>The sums of groups of old / new neighbours, times a factor.</summary>
    public static AxisMap Groups(int old, int now, double factor)
    {
        var size = old / now;
        return Of(old, now, j => [.. Enumerable.Range(j * size, size).Select(i => (i, factor))]);
    }

    /// <summary>Every slice as often as fits, one copy beside the other: slice j is the old slice floor(j · old / new).</summary>
    /// <param name="old">The old size.</param>
    /// <param name="now">The new size, at least the old one.</param>
    /// <param name="share">Whether each copy is divided by the number of copies, so that their sum is what it was.</param>
    public static AxisMap Repeat(int old, int now, bool share)
    {
        var sources = Enumerable.Range(0, now).Select(j => (int)((long)j * old / now)).ToArray();
        var counts = new int[old];
        foreach (var source in sources) counts[source]++;
        return Of(old, now, j => [(sources[j], share ? 1.0 / counts[sources[j]] : 1)]);
    }

    /// <summary>Applies the map.</summary>
    /// <param name="values">The tensor, row by row.</param>
    /// <param name="before">The product of the sizes before the axis.</param>
    /// <param name="after">The product of the sizes behind it.</param>
    public double[] Apply(double[] values, int before, int after)
    {
        var result = new double[before * New * after];
        for (var outer = 0; outer < before; outer++)
        {
            for (var j = 0; j < New; j++)
            {
                var target = result.AsSpan(((outer * New) + j) * after, after);
                foreach (var (slice, factor) in Terms[j])
                {
                    var source = values.AsSpan(((outer * Old) + slice) * after, after);
                    for (var at = 0; at < after; at++) target[at] += source[at] * factor;
                }
            }
        }

        return result;
    }

    private static AxisMap Of(int old, int now, Func<int, IReadOnlyList<(int, double)>> terms) =>
        new(old, [.. Enumerable.Range(0, now).Select(terms)]);
}
