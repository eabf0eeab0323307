using System.Runtime.CompilerServices;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>Cuts a turned, scaled or mirrored part out of a picture.</summary>
public static class PoseWarp
{
    // Positions have 32 fractional bits while a row is walked, and 11 where pixels are mixed: two weights of 11 bits and a byte fill 30 bits.
    private const int StepBits = 32;
    private const int WeightBits = 11;
    private const int One = 1 << WeightBits;
    private const long HalfWeight = 1L << (StepBits - WeightBits - 1);
    private const int HalfValue = 1 << ((2 * WeightBits) - 1);

    /// <summary>
    /// Samples a picture bilinearly under an affine map, black outside; what OpenCV's <c>warpAffine</c> does with pixels' middles at whole numbers.
    /// Positions are rounded to 1/2048 of a pixel (OpenCV's to 1/32), values to the nearest level. Not antialiased.
    /// </summary>
    /// <param name="image">The picture, of any number of channels; what its grey levels mean stays.</param>
    /// <param name="toOutput">Maps pixels of the picture to pixels of the result.</param>
    /// <param name="width">The result's width in pixels.</param>
    /// <param name="height">The result's height in pixels.</param>
    /// <exception cref="FrostlineException">The map has no inverse, or leads out of all pictures.</exception>
    public static ImageField Apply(ImageField image, Affine toOutput, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        var back = toOutput.Inverse();
        RequireReach(back, width, height);
        var pixels = new byte[checked(width * height * image.Channels)];
        long stepX = Fixed(back.A), stepY = Fixed(back.D);
        for (var y = 0; y < height; y++)
        {
            var (startX, startY) = back.Apply(0, y);
            Row(image, pixels.AsSpan(y * width * image.Channels, width * image.Channels), Fixed(startX), Fixed(startY), stepX, stepY);
        }

        return image.WithPicture(pixels, height, width);
    }

    private static void Row(ImageField image, Span<byte> output, long x, long y, long stepX, long stepY)
    {
        var (channels, stride) = (image.Channels, image.Width * image.Channels);
        long right = image.Width - 1, bottom = image.Height - 1;
        for (; output.Length > 0; output = output[channels..], x += stepX, y += stepY)
        {
            var (atX, atY) = ((x + HalfWeight) >> (StepBits - WeightBits), (y + HalfWeight) >> (StepBits - WeightBits));
            var (column, row) = (atX >> WeightBits, atY >> WeightBits);
            int moreX = (int)atX & (One - 1), moreY = (int)atY & (One - 1);
            if (column >= 0 && row >= 0 && column < right && row < bottom)
            {
                var from = ((int)row * stride) + ((int)column * channels);
                Mix(
                    image.Pixels.AsSpan(from, 2 * channels), image.Pixels.AsSpan(from + stride, 2 * channels), output, channels, channels,
                    new Weights(One - moreX, moreX, One - moreY, moreY));
            }
            else if (column >= -1 && row >= -1 && column <= right && row <= bottom)
            {
                // Pixels outside weigh nothing, and one inside stands in their place.
                var (beside, below) = (column >= 0 && column < right ? channels : 0, row >= 0 && row < bottom ? stride : 0);
                var from = ((int)Math.Max(row, 0) * stride) + ((int)Math.Max(column, 0) * channels);
                Mix(
                    image.Pixels.AsSpan(from), image.Pixels.AsSpan(from + below), output, channels, beside,
                    new Weights(column < 0 ? 0 : One - moreX, column >= right ? 0 : moreX, row < 0 ? 0 : One - moreY, row >= bottom ? 0 : moreY));
            }
        }
    }

    /// <summary>One pixel of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ReadOnlySpan<byte> upper, ReadOnlySpan<byte> lower, Span<byte> output, int channels, int beside, Weights weights)
    {
        for (var c = 0; c < channels; c++)
        {
            var above = (upper[c] * weights.Left) + (upper[c + beside] * weights.Right);
            var under = (lower[c] * weights.Left) + (lower[c + beside] * weights.Right);
            output[c] = (byte)(((above * weights.Upper) + (under * weights.Lower) + HalfValue) >> (2 * WeightBits));
        }
    }

    private static long Fixed(double value) => (long)Math.Round(value * (1L << StepBits));

    private static void RequireReach(Affine back, int width, int height)
    {
        const double farthest = 1 << 28;
        foreach (var (x, y) in new[] { (0, 0), (width, 0), (0, height), (width, height) })
        {
            var at = back.Apply(x, y);
            if (!(Math.Abs(at.X) < farthest) || !(Math.Abs(at.Y) < farthest))
                throw new FrostlineException($"the part of the picture reaches to ({at.X}, {at.Y}); look at the person's box");
        }
    }

    private readonly record struct Weights(int Left, int Right, int Upper, int Lower);
}
