namespace Frostline.Initialization;

/// <summary>
/// Resizes grids by cubic convolution (Keys, 1981) with a = -0.75, without antialiasing, corners not aligned, and edges repeated: what
/// PyTorch's <c>interpolate(mode="bicubic")</c> computes.
/// </summary>
internal static class Bicubic
{
    private const double A = -0.75;

    /// <summary>Resizes the two middle dimensions of [before, rows, columns, after].</summary>
    public static double[] Resize(double[] values, int before, (int Rows, int Columns) from, (int Rows, int Columns) to, int after)
    {
        // The axes do not depend on each other; the order that keeps what lies between them small is taken.
        if ((long)from.Rows * to.Columns <= (long)to.Rows * from.Columns)
        {
            var wide = Along(values, before * from.Rows, from.Columns, to.Columns, after);
            return Along(wide, before, from.Rows, to.Rows, to.Columns * after);
        }

        var high = Along(values, before, from.Rows, to.Rows, from.Columns * after);
        return Along(high, before * to.Rows, from.Columns, to.Columns, after);
    }

    /// <summary>Resizes the middle dimension of [before, from, after].</summary>
    private static double[] Along(double[] values, int before, int from, int to, int after)
    {
        if (from == to) return values;
        var result = new double[before * to * after];
        for (var position = 0; position < to; position++)
        {
            var at = ((position + 0.5) * ((double)from / to)) - 0.5;
            var first = Math.Floor(at);
            var (a, b, c, d) = Weights(at - first);
            int Place(int offset) => Math.Clamp((int)first + offset, 0, from - 1);
            var (p, q, r, s) = (Place(-1), Place(0), Place(1), Place(2));
            for (var outer = 0; outer < before; outer++)
            {
                var (source, target) = (outer * from * after, ((outer * to) + position) * after);
                for (var inner = 0; inner < after; inner++)
                {
                    double Value(int place) => values[source + (place * after) + inner];
                    result[target + inner] = (a * Value(p)) + (b * Value(q)) + (c * Value(r)) + (d * Value(s));
                }
            }
        }

        return result;
    }

    /// <summary>The weights of the four neighbours of a place that lies a part of a step behind the second.</summary>
    private static (double, double, double, double) Weights(double part)
    {
        return (Far(part + 1), Near(part), Near(1 - part), Far(2 - part));

        static double Near(double x) => ((((A + 2) * x) - (A + 3)) * x * x) + 1;
        static double Far(double x) => ((((((A * x) - (5 * A)) * x) + (8 * A)) * x) - (4 * A));
    }
}
