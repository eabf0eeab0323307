using Frostline.Vision.Data;

namespace Frostline.Vision.Pictures;

/// <summary>How values become colours.</summary>
public enum ColorMap
{
    /// <summary>Black to white; pictures of one channel.</summary>
    Gray,

    /// <summary>
    /// Dark violet, green, yellow: equal steps look equally large, to colour-blind eyes too. Smith and van der Walt's map, by Zucker's
    /// polynomials of the sixth degree.
    /// </summary>
    Viridis,

    /// <summary>
    /// Blue, green, yellow, red: shows detail over the whole range. Mikhailov's map, by his polynomials of the fifth degree, which leave his
    /// table most at its dark ends.
    /// </summary>
    Turbo,
}

/// <summary>The colours themselves.</summary>
internal static class ColorMaps
{
    // Coefficients from the constant upwards, for red, green and blue.
    private static readonly byte[] s_viridis = Table(
        [0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631],
        [0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535],
        [0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832]);

    private static readonly byte[] s_turbo = Table(
        [0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943],
        [0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
        [0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973]);

    /// <summary>A picture of values [height, width]: of three channels, or of one in grey.</summary>
    internal static ImageField Paint(this ColorMap map, ReadOnlySpan<float> values, PictureRange range, int height, int width)
    {
        var channels = map == ColorMap.Gray ? 1 : 3;
        var pixels = new byte[values.Length * channels];
        for (var i = 0; i < values.Length; i++)
        {
            var level = range.LevelOf(values[i]);
            if (channels == 1) pixels[i] = level;
            else ColorOf(map, level).CopyTo(pixels.AsSpan(3 * i));
        }

        return new ImageField(pixels, height, width, channels);
    }

    /// <summary>Red, green and blue of a level.</summary>
    internal static ReadOnlySpan<byte> ColorOf(ColorMap map, byte level) => map switch
    {
        ColorMap.Gray => (ReadOnlySpan<byte>)new[] { level, level, level },
        ColorMap.Viridis => s_viridis.AsSpan(3 * level, 3),
        ColorMap.Turbo => s_turbo.AsSpan(3 * level, 3),
        _ => throw new ArgumentOutOfRangeException(nameof(map), map, "no such colour map"),
    };

    private static byte[] Table(params double[][] polynomials)
    {
        var table = new byte[256 * 3];
        for (var i = 0; i < table.Length; i++)
        {
            var (x, value) = (i / 3 / 255.0, 0.0);
            // Horner's scheme, from the highest power down.
            foreach (var coefficient in polynomials[i % 3].Reverse()) value = (value * x) + coefficient;
            table[i] = (byte)Math.Clamp((value * 255) + 0.5, 0, 255);
        }

        return table;
    }
}
