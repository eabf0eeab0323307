using Frostline.Vision.Data;
using TorchSharp;

namespace Frostline.Vision.Pictures;

/// <summary>Lays what a network attends to over the picture that it saw.</summary>
public static class HeatMap
{
    /// <summary>The picture, tinted: each pixel is (1 - strength) picture + strength colour.</summary>
    /// <param name="picture">The picture; grey or RGB.</param>
    /// <param name="heat">
    /// [h, w], also with ones in front, of any size: an activation, a class activation map, a key point's heat map. It is enlarged to
    /// the picture linearly between pixel centres, as <c>interpolate</c> does with <c>align_corners: false</c>.
    /// </param>
    /// <param name="map">The colours.</param>
    /// <param name="strength">How much of the colour is seen, from 0 (the picture alone) to 1 (the heat alone).</param>
    /// <param name="range">What is cold and hot; null for the smallest and the largest value.</param>
    /// <returns>An RGB picture of the picture's size.</returns>
    /// <exception cref="ArgumentException">Another shape, values that are no numbers (NaN), no range, or a strength beyond 0 to 1.</exception>
    public static ImageField Over(
        ImageField picture, torch.Tensor heat, ColorMap map = ColorMap.Turbo, double strength = 0.5, PictureRange? range = null)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentNullException.ThrowIfNull(heat);
        if (strength is not (>= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(strength), strength, "a strength lies between 0 and 1");
        if (heat.shape is not [.., >= 1, >= 1] || heat.numel() != heat.shape[^1] * heat.shape[^2])
            throw TensorPictures.WrongShape(heat, "[h, w]");
        var values = TensorPictures.NumbersOf(heat);
        var within = range is { } given ? PictureRange.Checked(given) : PictureRange.Of(values);
        var resized = Resize(values, (int)heat.shape[^2], (int)heat.shape[^1], picture.Height, picture.Width);

        var pixels = new byte[resized.Length * 3];
        for (var i = 0; i < resized.Length; i++)
        {
            var colour = ColorMaps.ColorOf(map, within.LevelOf(resized[i]));
            for (var c = 0; c < 3; c++)
            {
                var seen = picture.Pixels[(i * picture.Channels) + Math.Min(c, picture.Channels - 1)];
                pixels[(3 * i) + c] = (byte)(((1 - strength) * seen) + (strength * colour[c]) + 0.5);
            }
        }

        return new ImageField(pixels, picture.Height, picture.Width, 3);
    }

    /// <summary>Linear between pixel centres, the outermost values continued beyond them.</summary>
    internal static float[] Resize(float[] values, int height, int width, int newHeight, int newWidth)
    {
        var result = new float[newHeight * newWidth];
        for (var y = 0; y < newHeight; y++)
        {
            var (top, bottom, down) = Neighbours(y, newHeight, height);
            for (var x = 0; x < newWidth; x++)
            {
                var (left, right, across) = Neighbours(x, newWidth, width);
                var above = Mix(values[(top * width) + left], values[(top * width) + right], across);
                var below = Mix(values[(bottom * width) + left], values[(bottom * width) + right], across);
                result[(y * newWidth) + x] = Mix(above, below, down);
            }
        }

        return result;
    }

    private static (int First, int Second, float Part) Neighbours(int position, int size, int sourceSize)
    {
        var source = Math.Max(0, ((position + 0.5f) * ((float)sourceSize / size)) - 0.5f);
        var first = Math.Min((int)source, sourceSize - 1);
        return (first, Math.Min(first + 1, sourceSize - 1), Math.Min(source - first, 1));
    }

    // Infinity stays what it is where the other value has no part.
    private static float Mix(float first, float second, float part) => part == 0 ? first : ((1 - part) * first) + (part * second);
}
