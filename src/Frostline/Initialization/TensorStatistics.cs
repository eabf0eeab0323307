using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>
/// What the values of a tensor look like, computed in float64 from the values as they are stored; infinities and what is no number
/// are left out.
/// </summary>
/// <param name="Mean">The arithmetic mean; NaN for a tensor without finite elements, like the others.</param>
/// <param name="Deviation">The standard deviation over all elements (divided by their number, not by one less).</param>
/// <param name="Minimum">The smallest value.</param>
/// <param name="Maximum">The largest value.</param>
public sealed record TensorStatistics(double Mean, double Deviation, double Minimum, double Maximum)
{
    /// <summary>The statistics of the values that were collected.</summary>
    internal static TensorStatistics Of(Moments moments) => new(
        moments.Mean ?? double.NaN, moments.Deviation ?? double.NaN, moments.Minimum ?? double.NaN, moments.Maximum ?? double.NaN);
}
