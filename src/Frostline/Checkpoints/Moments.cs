namespace Frostline.Checkpoints;

/// <summary>
/// Mean, deviation and extremes of values that arrive in pieces, computed in float64: each piece about its own mean, then joined, so
/// that no difference of large sums loses the small ones (Chan, Golub and LeVeque, 1979). Infinities and what is no number are
/// counted and left out of the rest.
/// </summary>
internal sealed class Moments
{
    private double _mean, _squares, _minimum = double.PositiveInfinity, _maximum = double.NegativeInfinity;

    /// <summary>How many finite values there were.</summary>
    public long Finite { get; private set; }

    /// <summary>How many values were NaN.</summary>
    public long NotNumbers { get; private set; }

    /// <summary>How many were infinite, of either sign.</summary>
    public long Infinities { get; private set; }

    /// <summary>The mean of the finite values; null where there are none.</summary>
    public double? Mean => Finite == 0 ? null : _mean;

    /// <summary>The square root of their mean squared distance from the mean (divided by n); null where there are none.</summary>
    public double? Deviation => Finite == 0 ? null : Math.Sqrt(_squares / Finite);

    /// <summary>The least finite value; null where there are none.</summary>
    public double? Minimum => Finite == 0 ? null : _minimum;

    /// <summary>The greatest finite value; null where there are none.</summary>
    public double? Maximum => Finite == 0 ? null : _maximum;

    /// <summary>Adds the next values.</summary>
    public void Add(ReadOnlySpan<double> values)
    {
        double sum = 0;
        long count = 0;
        foreach (var value in values)
        {
            if (double.IsNaN(value)) NotNumbers++;
            else if (double.IsInfinity(value)) Infinities++;
            if (!double.IsFinite(value)) continue;
            (sum, count) = (sum + value, count + 1);
            (_minimum, _maximum) = (Math.Min(_minimum, value), Math.Max(_maximum, value));
        }

        if (count == 0) return;
        var (center, around) = (sum / count, 0.0);
        foreach (var value in values)
            if (double.IsFinite(value)) around += (value - center) * (value - center);
        var distance = center - _mean;
        var share = (double)count / (Finite + count);
        _squares += around + (distance * distance * Finite * share);
        _mean += distance * share;
        Finite += count;
    }
}
