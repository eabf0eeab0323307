namespace Frostline.Bench;

/// <summary>Medians.</summary>
internal static class Medians
{
    /// <summary>The middle one, or the mean of the two in the middle; NaN of nothing.</summary>
    public static double Of(IReadOnlyList<double> values)
    {
        if (values.Count == 0) return double.NaN;
        var sorted = values.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }
}
