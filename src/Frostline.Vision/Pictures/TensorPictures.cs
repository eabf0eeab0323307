using Frostline.Vision.Data;
using TorchSharp;

namespace Frostline.Vision.Pictures;

/// <summary>
/// Tensors as pictures: detached, copied to the CPU, turned from [C, H, W] to pixels, scaled to grey levels. The tensor stays as it is, and
/// may require a gradient.
/// </summary>
public static class TensorPictures
{
    /// <summary>One picture.</summary>
    /// <param name="tensor">[H, W], [1, H, W], [3, H, W], or the same with a batch of one in front; channels are grey, or RGB.</param>
    /// <param name="range">
    /// Which values are black and white; null for 0 to 255 where the type is whole numbers, 0 to 1 otherwise. Beyond it is clamped.
    /// </param>
    /// <exception cref="ArgumentException">Another shape, values that are no numbers (NaN), or no range.</exception>
    public static ImageField ToImage(this torch.Tensor tensor, PictureRange? range = null)
    {
        var images = Pictures(tensor, range, "[H, W], [C, H, W] or [1, C, H, W]", batchOfOne: true);
        return images[0];
    }

    /// <summary>A picture of each sample of a batch.</summary>
    /// <param name="tensor">[N, 1, H, W] or [N, 3, H, W]; shapes of one picture give one.</param>
    /// <param name="range">As for <see cref="ToImage"/>; one for all.</param>
    /// <exception cref="ArgumentException">Another shape, values that are no numbers (NaN), or no range.</exception>
    public static IReadOnlyList<ImageField> ToImages(this torch.Tensor tensor, PictureRange? range = null) =>
        Pictures(tensor, range, "[N, C, H, W]", batchOfOne: false);

    /// <summary>
    /// A picture of each channel of an activation, for <see cref="PictureGrid"/>.
    /// </summary>
    /// <param name="activation">[C, H, W], or [1, C, H, W]; any number of channels.</param>
    /// <param name="map">The colours; grey gives pictures of one channel.</param>
    /// <param name="range">One range for all; null scales each channel from its smallest to its largest value.</param>
    /// <exception cref="ArgumentException">Another shape, values that are no numbers (NaN), or no range.</exception>
    public static IReadOnlyList<ImageField> ToFeatureMaps(
        this torch.Tensor activation, ColorMap map = ColorMap.Viridis, PictureRange? range = null)
    {
        ArgumentNullException.ThrowIfNull(activation);
        if (activation.shape is not ([>= 1, >= 1, >= 1] or [1, >= 1, >= 1, >= 1]))
            throw WrongShape(activation, "[C, H, W] or [1, C, H, W]");
        var (height, width) = ((int)activation.shape[^2], (int)activation.shape[^1]);
        var values = NumbersOf(activation);
        var maps = new ImageField[activation.shape[^3]];
        for (var c = 0; c < maps.Length; c++)
        {
            var channel = values.AsSpan(c * height * width, height * width);
            maps[c] = map.Paint(channel, range is { } given ? PictureRange.Checked(given) : PictureRange.Of(channel), height, width);
        }

        return maps;
    }

    /// <summary>Writes one picture to a file, whole or not at all; see <see cref="ImageFile.Save"/> for the formats.</summary>
    /// <param name="tensor">As for <see cref="ToImage"/>.</param>
    /// <param name="path">The file; its extension says the format.</param>
    /// <param name="range">As for <see cref="ToImage"/>.</param>
    /// <exception cref="ArgumentException">Another shape, values that are no numbers (NaN), or no range.</exception>
    /// <exception cref="FrostlineException">The extension is of no format that can be written.</exception>
    public static void SaveImage(this torch.Tensor tensor, string path, PictureRange? range = null) => ImageFile.Save(tensor.ToImage(range), path);

    /// <summary>The values, all of them numbers.</summary>
    internal static float[] NumbersOf(torch.Tensor tensor)
    {
        var values = TensorValues.Copy(tensor);
        var missing = values.Count(float.IsNaN);
        if (missing > 0) throw new ArgumentException($"{missing} of {values.Length} values are no numbers (NaN), which have no colour", nameof(tensor));
        return values;
    }

    internal static ArgumentException WrongShape(torch.Tensor tensor, string wanted) => new(
        $"a tensor of shape [{string.Join(", ", tensor.shape)}] is no picture {wanted}; "
        + "choose a sample or channel with tensor[i], and bring [H, W, C] into order with permute(2, 0, 1)",
        nameof(tensor));

    private static ImageField[] Pictures(torch.Tensor tensor, PictureRange? range, string wanted, bool batchOfOne)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        long[] shape = [.. Enumerable.Repeat(1L, Math.Max(0, 4 - tensor.shape.Length)), .. tensor.shape];
        if (tensor.shape.Length < 2 || shape is not [>= 1, 1 or 3, >= 1, >= 1] || (batchOfOne && shape[0] != 1)) throw WrongShape(tensor, wanted);
        var within = PictureRange.Checked(range ?? PictureRange.DefaultFor(tensor.dtype));
        var values = NumbersOf(tensor);
        var (channels, height, width) = ((int)shape[1], (int)shape[2], (int)shape[3]);
        var plane = height * width;
        var images = new ImageField[shape[0]];
        for (var n = 0; n < images.Length; n++)
        {
            var sample = values.AsSpan(n * channels * plane, channels * plane);
            var pixels = new byte[sample.Length];
            for (var c = 0; c < channels; c++)
                for (var i = 0; i < plane; i++) pixels[(i * channels) + c] = within.LevelOf(sample[(c * plane) + i]);
            images[n] = new ImageField(pixels, height, width, channels);
        }

        return images;
    }
}
