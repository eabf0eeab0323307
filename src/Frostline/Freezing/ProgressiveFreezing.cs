namespace Frostline.Freezing;

/// <summary>
/// When which part stops being trained in progressive freezing from below (Brock, Lim, Ritchie and Weston, 2017, "FreezeOut"): part i of
/// L ends at t_i of the training, t_0 for the first and 1 for the last, evenly spaced or by the cube of even spacing. Here ends lie between
/// epochs: t_i times the number of epochs, rounded up.
/// </summary>
public sealed record ProgressiveFreezing
{
    /// <summary>States when parts stop.</summary>
    /// <param name="parts">Selectors of the parts, the one nearest to the input first; at least one.</param>
    /// <param name="epochs">How many epochs the training has, at least 1.</param>
    /// <param name="first">The share of the training after which the first part stops, t_0, in (0, 1]; default 0.5.</param>
    /// <param name="cubed">Whether the shares are cubed, so that early parts stop earlier (the paper's best); default true.</param>
    /// <exception cref="ArgumentException">There is no part.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public ProgressiveFreezing(IReadOnlyList<string> parts, int epochs, double first = 0.5, bool cubed = true)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentOutOfRangeException.ThrowIfLessThan(epochs, 1);
        if (parts.Count == 0) throw new ArgumentException("progressive freezing needs at least one part", nameof(parts));
        if (first is not (> 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(first), first, "the share of the first part is in (0, 1]");
        (Parts, Epochs, First, IsCubed) = ([.. parts], epochs, first, cubed);
    }

    /// <summary>Selectors of the parts, the one nearest to the input first.</summary>
    public IReadOnlyList<string> Parts { get; }

    /// <summary>How many epochs the training has.</summary>
    public int Epochs { get; }

    /// <summary>The share of the training after which the first part stops.</summary>
    public double First { get; }

    /// <summary>Whether the shares are cubed.</summary>
    public bool IsCubed { get; }

    /// <summary>
    /// The share of the training after which a part stops: t_i = t_0 + (1 - t_0) i / L, with L parts that all stop before the rest of the
    /// network, which is trained to the end; cubed where <see cref="IsCubed"/>.
    /// </summary>
    /// <param name="part">Its place in <see cref="Parts"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    public double ShareOf(int part)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(part);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(part, Parts.Count);
        var share = First + ((1 - First) * part / Parts.Count);
        return IsCubed ? share * share * share : share;
    }

    /// <summary>The epoch, counted from 0, at whose beginning a part is frozen; at least 1.</summary>
    /// <param name="part">Its place in <see cref="Parts"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    // The small number keeps 0.6 * 5 from becoming 4.
    public int EndOf(int part) => Math.Max(1, (int)Math.Ceiling((ShareOf(part) * Epochs) - 1e-9));
}
