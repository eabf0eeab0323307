using Frostline.Vision.Data;

namespace Frostline.Vision.Pictures;

/// <summary>Puts pictures of one size into one picture, row by row.</summary>
public static class PictureGrid
{
    /// <summary>The most pixels of a grid: 2^28.</summary>
    private const long MostPixels = ImageFile.MostPixels;

    /// <summary>Makes the grid.</summary>
    /// <param name="pictures">At least one, all as high and as wide; where any is in colour, the grey ones become it too.</param>
    /// <param name="columns">How many a row has, at least 1; fewer where there are fewer pictures.</param>
    /// <param name="gap">Pixels between pictures and around them, at least 0.</param>
    /// <param name="scale">Each pixel becomes a square of so many pixels a side, at least 1; for maps of a few pixels.</param>
    /// <param name="background">The grey level of the gaps and of places without a picture.</param>
    /// <exception cref="ArgumentException">No pictures, pictures of several sizes, or a grid of more than 2^28 pixels.</exception>
    public static ImageField Of(IReadOnlyList<ImageField> pictures, int columns = 8, int gap = 2, int scale = 1, byte background = 0)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(gap);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);
        if (pictures.Count == 0) throw new ArgumentException("a grid needs at least one picture", nameof(pictures));
        var first = pictures[0];
        if (pictures.FirstOrDefault(p => (p.Height, p.Width) != (first.Height, first.Width)) is { } other)
            throw new ArgumentException(
                $"a grid of pictures of {first.Height} x {first.Width} has no place for one of {other.Height} x {other.Width}", nameof(pictures));

        columns = Math.Min(columns, pictures.Count);
        var rows = (pictures.Count + columns - 1) / columns;
        var (high, wide) = (((long)first.Height * scale) + gap, ((long)first.Width * scale) + gap);
        var (height, width) = ((rows * high) + gap, (columns * wide) + gap);
        if ((Int128)height * width > MostPixels) throw new ArgumentException($"a grid of {height} x {width} pixels is too large", nameof(pictures));

        var channels = pictures.Max(picture => picture.Channels);
        var pixels = new byte[height * width * channels];
        Array.Fill(pixels, background);
        for (var i = 0; i < pictures.Count; i++)
        {
            var top = (int)((i / columns * high) + gap);
            var left = (int)((i % columns * wide) + gap);
            Draw(pictures[i], scale, pixels.AsSpan(((top * (int)width) + left) * channels), (int)width * channels, channels);
        }

        return new ImageField(pixels, (int)height, (int)width, channels);
    }

    private static void Draw(ImageField picture, int scale, Span<byte> into, int stride, int channels)
    {
        for (var y = 0; y < picture.Height * scale; y++)
        {
            var row = into.Slice(y * stride, picture.Width * scale * channels);
            var from = y / scale * picture.Width;
            for (var x = 0; x < picture.Width * scale; x++)
            {
                var pixel = (from + (x / scale)) * picture.Channels;
                for (var c = 0; c < channels; c++) row[(x * channels) + c] = picture.Pixels[pixel + Math.Min(c, picture.Channels - 1)];
            }
        }
    }
}
