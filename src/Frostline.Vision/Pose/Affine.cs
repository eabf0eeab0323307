namespace Frostline.Vision.Pose;

/// <summary>An affine map of the plane, a 2 x 3 matrix: x' = A x + B y + C, y' = D x + E y + F.</summary>
/// <param name="A">How much of x is in x'.</param>
/// <param name="B">How much of y is in x'.</param>
/// <param name="C">What is added to x', in pixels.</param>
/// <param name="D">How much of x is in y'.</param>
/// <param name="E">How much of y is in y'.</param>
/// <param name="F">What is added to y', in pixels.</param>
public readonly record struct Affine(double A, double B, double C, double D, double E, double F)
{
    /// <summary>The map that moves nothing.</summary>
    public static Affine Identity => new(1, 0, 0, 0, 1, 0);

    /// <summary>Where a point goes.</summary>
    /// <param name="x">Its x.</param>
    /// <param name="y">Its y.</param>
    public (double X, double Y) Apply(double x, double y) => ((A * x) + (B * y) + C, (D * x) + (E * y) + F);

    /// <summary>The map back.</summary>
    /// <exception cref="FrostlineException">There is none: the map lays the plane on a line or a point.</exception>
    public Affine Inverse()
    {
        var determinant = (A * E) - (B * D);
        if (determinant == 0 || !double.IsFinite(1 / determinant))
            throw new FrostlineException("an affine map has no inverse: it has a scale of zero, or one that is no number");
        double a = E / determinant, b = -B / determinant, d = -D / determinant, e = A / determinant;
        return new Affine(a, b, -((a * C) + (b * F)), d, e, -((d * C) + (e * F)));
    }
}
