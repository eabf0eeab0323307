using Frostline.Training.Data;

namespace Frostline.Vision.Data;

/// <summary>
/// A picture and what its grey levels mean. The picture is bytes [H, W, C], grey, RGB, or RGB and luminance; geometry and colour work on it, as they
/// do on an 8-bit image in torchvision. Each output channel says which channel of the picture it shows and, as a table, which
/// float32 value each of the 256 grey levels becomes; scaling, normalising and channel order change only that. So value steps
/// commute with geometry, and cost 256 operations a channel. Immutable: transforms make new fields.
/// </summary>
public sealed class ImageField : ISampleField
{
    private readonly OutputChannel[] _outputs;

    /// <summary>Creates a field whose values are the grey levels, 0 to 255, in the picture's channel order.</summary>
    /// <param name="pixels">
    /// The picture, row-major [height, width, channels]; kept, not copied, and not to be changed afterwards.
    /// </param>
    /// <param name="height">The height in pixels, at least 1.</param>
    /// <param name="width">The width in pixels, at least 1.</param>
    /// <param name="channels">1 (grey), 3 (RGB) or 4 (RGB and luminance).</param>
    /// <exception cref="ArgumentException">The array does not have that many bytes.</exception>
    public ImageField(byte[] pixels, int height, int width, int channels)
        : this(pixels, height, width, channels, null)
    {
    }

    private ImageField(byte[] pixels, int height, int width, int channels, OutputChannel[]? outputs)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        if (channels is not (1 or 3 or 4))
            throw new ArgumentOutOfRangeException(nameof(channels), channels, "a picture has 1, 3 or 4 channels");
        if (pixels.Length != (long)height * width * channels)
            throw new ArgumentException(
                $"{pixels.Length} bytes are no picture of {height} x {width} x {channels}", nameof(pixels));
        (Pixels, Height, Width, Channels) = (pixels, height, width, channels);
        if (outputs is null)
        {
            var levels = new float[256];
            for (var i = 0; i < levels.Length; i++) levels[i] = i;
            outputs = new OutputChannel[channels];
            for (var c = 0; c < channels; c++) outputs[c] = new OutputChannel(c, levels);
        }

        _outputs = outputs;
    }

    /// <summary>
    /// The picture, row-major [height, width, channels], RGB or grey whatever the output order; not to be changed.
    /// </summary>
    public byte[] Pixels { get; }

    /// <summary>The height in pixels.</summary>
    public int Height { get; }

    /// <summary>The width in pixels.</summary>
    public int Width { get; }

    /// <summary>1 (grey), 3 (RGB) or 4 (RGB and luminance).</summary>
    public int Channels { get; }

    /// <summary>The output channels, in the order of the tensor.</summary>
    public IReadOnlyList<OutputChannel> Outputs => _outputs;

    /// <summary>Whether values are still the grey levels in the picture's channel order.</summary>
    internal bool HasPlainValues
    {
        get
        {
            for (var c = 0; c < _outputs.Length; c++)
            {
                if (_outputs[c].Source != c) return false;
                for (var level = 0; level < 256; level++)
                    if (_outputs[c].Values[level] != level) return false;
            }

            return true;
        }
    }

    /// <summary>Another picture with as many channels and the same meaning of grey levels.</summary>
    /// <param name="pixels">The picture, row-major [height, width, channels].</param>
    /// <param name="height">Its height.</param>
    /// <param name="width">Its width.</param>
    public ImageField WithPicture(byte[] pixels, int height, int width) => new(pixels, height, width, Channels, _outputs);

    /// <summary>The same picture with each value changed.</summary>
    /// <param name="map">The new value, from the output channel's index and the old value.</param>
    public ImageField MapValues(Func<int, float, float> map)
    {
        ArgumentNullException.ThrowIfNull(map);
        return new(
            Pixels,
            Height,
            Width,
            Channels,
            [.. _outputs.Select((output, c) => new OutputChannel(output.Source, [.. output.Values.Select(v => map(c, v))]))]);
    }

    /// <summary>The same picture with its output channels in another order.</summary>
    /// <param name="order">For each new output channel, the index of the present one.</param>
    public ImageField Reorder(IReadOnlyList<int> order)
    {
        ArgumentNullException.ThrowIfNull(order);
        return new(Pixels, Height, Width, Channels, [.. order.Select(c => _outputs[c])]);
    }

    /// <summary>The values as float32 [C, H, W].</summary>
    public SampleTensor ToTensor()
    {
        var plane = Height * Width;
        var values = GC.AllocateUninitializedArray<float>(_outputs.Length * plane);
        for (var c = 0; c < _outputs.Length; c++)
        {
            var table = _outputs[c].Values.AsSpan(0, 256);
            var output = values.AsSpan(c * plane, plane);
            var from = _outputs[c].Source;
            for (var i = 0; i < output.Length; i++, from += Channels) output[i] = table[Pixels[from]];
        }

        return SampleTensor.Of(values, _outputs.Length, Height, Width);
    }

    /// <summary>What an output channel shows.</summary>
    /// <param name="Source">The channel of the picture.</param>
    /// <param name="Values">The float32 value of each grey level, 256 of them; not to be changed.</param>
    public sealed record OutputChannel(int Source, float[] Values);
}
