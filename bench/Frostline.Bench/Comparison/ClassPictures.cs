using Frostline.Vision.Data;

namespace Frostline.Bench.Comparison;

/// <summary>Pictures of ten classes, each of a shape of its class before a noisy ground; all of them different, and the same on every machine.</summary>
internal static class ClassPictures
{
    /// <summary>How many classes there are.</summary>
    public const int Classes = 10;

    /// <summary>Draws a picture.</summary>
    /// <param name="index">Its number; its class is the last digit.</param>
    /// <param name="side">Its width and height in pixels.</param>
    public static ImageField Draw(int index, int side)
    {
        var random = new CounterRandom(1, $"picture:{index}");
        var pixels = new byte[side * side * 3];
        var (x0, y0, radius) = (random.NextDouble(0.4, 0.6), random.NextDouble(0.4, 0.6), random.NextDouble(0.25, 0.4));
        double[] ground = Colour(random), shape = Colour(random);
        for (var y = 0; y < side; y++)
        {
            for (var x = 0; x < side; x++)
            {
                var (u, v) = (((x / (double)side) - x0) / radius, ((y / (double)side) - y0) / radius);
                var colour = IsInside(index % Classes, u, v) ? shape : ground;
                var noise = random.NextUInt32();
                for (var c = 0; c < 3; c++) pixels[(((y * side) + x) * 3) + c] = (byte)Math.Clamp(colour[c] + ((noise >> (8 * c)) & 63) - 32, 0, 255);
            }
        }

        return new ImageField(pixels, side, side, 3);
    }

    private static double[] Colour(CounterRandom random) => [random.NextDouble(0, 255), random.NextDouble(0, 255), random.NextDouble(0, 255)];

    /// <summary>Whether a point lies in the shape of a class; shapes lie between -1 and 1.</summary>
    private static bool IsInside(int shape, double u, double v)
    {
        double a = Math.Abs(u), b = Math.Abs(v), most = Math.Max(a, b), distance = Math.Sqrt((u * u) + (v * v));
        return shape switch
        {
            0 => distance < 1,
            1 => most < 0.85,
            2 => a + b < 1.1,
            3 => distance is > 0.6 and < 1,
            4 => Math.Min(a, b) < 0.3 && most < 1,
            5 => most < 1 && IsOdd(v),
            6 => most < 1 && IsOdd(u),
            7 => most < 1 && IsOdd(u) != IsOdd(v),
            8 => v < 0.8 && a < (v + 1) / 2,
            _ => most < 1 && Math.Abs(a - b) < 0.3,
        };
    }

    private static bool IsOdd(double value) => ((int)Math.Floor(value * 2.5) & 1) != 0;
}
