namespace Frostline.Initialization;

/// <summary>The standard normal distribution's cumulative function and its inverse, in float64.</summary>
internal static class NormalDistribution
{
    /// <summary>
    /// P(X &lt;= x). Marsaglia's series ("Evaluating the Normal Distribution", 2004) near the middle, Laplace's continued
    /// fraction in the tails, so that small probabilities keep their relative precision.
    /// </summary>
    public static double Cumulative(double x)
    {
        if (double.IsNaN(x)) return double.NaN;
        if (x > 3) return 1 - Tail(x);
        if (x < -3) return Tail(-x);
        double sum = x, term = x, previous = 0;
        for (var i = 3; sum != previous; i += 2)
        {
            previous = sum;
            term *= x * x / i;
            sum += term;
        }

        return 0.5 + (sum * Density(x));
    }

    /// <summary>
    /// The x for which P(X &lt;= x) is <paramref name="p"/>: Wichura's PPND16 (algorithm AS 241, Applied Statistics 37, 1988),
    /// relative precision about 1e-16.
    /// </summary>
    public static double Quantile(double p)
    {
        if (double.IsNaN(p) || p < 0 || p > 1) return double.NaN;
        var q = p - 0.5;
        if (Math.Abs(q) <= 0.425)
        {
            var r = 0.180625 - (q * q);
            return q * Polynomial(r, MiddleNumerator) / Polynomial(r, MiddleDenominator);
        }

        var small = q < 0 ? p : 1 - p;
        if (small == 0) return q < 0 ? double.NegativeInfinity : double.PositiveInfinity;
        var root = Math.Sqrt(-Math.Log(small));
        var value = root <= 5
            ? Polynomial(root - 1.6, NearNumerator) / Polynomial(root - 1.6, NearDenominator)
            : Polynomial(root - 5, FarNumerator) / Polynomial(root - 5, FarDenominator);
        return q < 0 ? -value : value;
    }

    private static ReadOnlySpan<double> MiddleNumerator =>
    [
        3.3871328727963666080, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
        4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3,
    ];

    private static ReadOnlySpan<double> MiddleDenominator =>
    [
        1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
        2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3,
    ];

    private static ReadOnlySpan<double> NearNumerator =>
    [
        1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
        1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
    ];

    private static ReadOnlySpan<double> NearDenominator =>
    [
        1, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
    ];

    private static ReadOnlySpan<double> FarNumerator =>
    [
        6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
        2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
    ];

    private static ReadOnlySpan<double> FarDenominator =>
    [
        1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
    ];

    private static double Polynomial(double x, ReadOnlySpan<double> coefficients)
    {
        var value = 0.0;
        for (var i = coefficients.Length - 1; i >= 0; i--) value = (value * x) + coefficients[i];
        return value;
    }

    private static double Density(double x) => Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI);

    // P(X > x) for x > 3: density / (x + 1/(x + 2/(x + 3/(x + ...)))), evaluated from the inside; 200 terms are exact at 3.
    private static double Tail(double x)
    {
        var fraction = x;
        for (var i = 200; i >= 1; i--) fraction = x + (i / fraction);
        return Density(x) / fraction;
    }
}
