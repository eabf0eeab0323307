namespace Frostline.Initialization;

/// <summary>The function that follows a weight; it decides the gain of a draw.</summary>
public enum Nonlinearity
{
    /// <summary>None, or the identity: gain 1.</summary>
    Linear,

    /// <summary>The logistic function: gain 1.</summary>
    Sigmoid,

    /// <summary>Hyperbolic tangent: gain 5/3.</summary>
    Tanh,

    /// <summary>max(0, x): gain sqrt(2).</summary>
    Relu,

    /// <summary>max(0, x) + slope * min(0, x): gain sqrt(2 / (1 + slope^2)).</summary>
    LeakyRelu,

    /// <summary>The self-normalising unit: gain 3/4, as PyTorch has it (Klambauer et al. 2017 would have 1).</summary>
    Selu,
}

/// <summary>
/// The gains of <see cref="Nonlinearity"/> (He et al. 2015, section 2.2; values of PyTorch's <c>calculate_gain</c>).
/// </summary>
public static class Gains
{
    /// <summary>The factor by which a draw's deviation is scaled so that the function keeps the variance.</summary>
    /// <param name="nonlinearity">The function.</param>
    /// <param name="slope">The negative slope of <see cref="Nonlinearity.LeakyRelu"/>; default 0.01; others ignore it.</param>
    public static double Of(Nonlinearity nonlinearity, double slope = 0.01) => nonlinearity switch
    {
        Nonlinearity.Linear or Nonlinearity.Sigmoid => 1,
        Nonlinearity.Tanh => 5.0 / 3,
        Nonlinearity.Relu => Math.Sqrt(2),
        Nonlinearity.LeakyRelu => Math.Sqrt(2 / (1 + (slope * slope))),
        Nonlinearity.Selu => 0.75,
        _ => throw new ArgumentOutOfRangeException(nameof(nonlinearity), nonlinearity, "unknown nonlinearity"),
    };
}
