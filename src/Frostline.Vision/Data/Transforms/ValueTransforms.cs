using System.ComponentModel.DataAnnotations;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary><c>scale</c>: divides every value: <c>scale: 255</c> gives 0 to 1.</summary>
public sealed class Scale : ImageTransform
{
    /// <summary>The divisor. Default: 255.</summary>
    [Shorthand]
    public double Divisor { get; set; } = 255;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        double.IsFinite(Divisor) && Divisor != 0
            ? null
            : new OptionProblem(nameof(Divisor), "the divisor has to be a number other than 0");

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random) =>
        image.MapValues((_, value) => value / (float)Divisor);
}

/// <summary>
/// <c>value-range</c>: maps the grey levels 0 to 255 to a range: v / (255 / (to - from)) + from, in float32. From -1 to 1 that is
/// v / 127.5 - 1.
/// </summary>
public sealed class ValueRange : ImageTransform
{
    /// <summary>What black becomes. Default: 0.</summary>
    public double From { get; set; }

    /// <summary>What white becomes. Default: 1.</summary>
    public double To { get; set; } = 1;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        double.IsFinite(From) && double.IsFinite(To) && From != To
            ? null
            : new OptionProblem(nameof(To), "from and to have to be different numbers");

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        var divisor = (float)(255 / (To - From));
        return image.MapValues((_, value) => (value / divisor) + (float)From);
    }
}

/// <summary>
/// <c>normalize</c>: (v - mean) / std per channel, in float32, on the values as they are at that point: after <c>scale</c>, means
/// of 0.485 and the like; without it, grey levels. Channels count in the order that <c>channel-order</c> has made.
/// </summary>
public sealed class Normalize : ImageTransform
{
    /// <summary>What is subtracted: one number a channel, or one for all. Default: 0.</summary>
    public IReadOnlyList<double> Mean { get; set; } = [0];

    /// <summary>What is divided by: one number a channel, or one for all. Default: 1.</summary>
    public IReadOnlyList<double> Std { get; set; } = [1];

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Mean.Count == 0 || !Mean.All(double.IsFinite)
            ? new OptionProblem(nameof(Mean), "give one number a channel, or one for all")
        : Std.Count == 0 || !Std.All(s => double.IsFinite(s) && s != 0)
            ? new OptionProblem(nameof(Std), "give one number other than 0 a channel, or one for all")
        : null;

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        float[] mean = PerChannel(Mean, "mean"), std = PerChannel(Std, "std");
        return image.MapValues((channel, value) => (value - mean[channel]) / std[channel]);

        float[] PerChannel(IReadOnlyList<double> numbers, string what)
        {
            if (numbers.Count != 1 && numbers.Count != image.Outputs.Count)
                throw new FrostlineException(
                    $"normalize has {numbers.Count} numbers as {what}, but the image has {image.Outputs.Count} channels; the "
                    + "transform channels changes that");
            return [.. Enumerable.Range(0, image.Outputs.Count).Select(c => (float)numbers[numbers.Count == 1 ? 0 : c])];
        }
    }
}

/// <summary>In which order a network reads the colours.</summary>
public enum ColorOrder
{
    /// <summary>Red, green, blue; how images are decoded.</summary>
    Rgb,

    /// <summary>Blue, green, red; what networks from Caffe and OpenCV read.</summary>
    Bgr,
}

/// <summary>
/// <c>channel-order</c>: the order of the colours in the tensor: <c>channel-order: bgr</c>. State it once, before
/// <c>normalize</c>.
/// </summary>
public sealed class ChannelOrder : ImageTransform
{
    /// <summary>The order.</summary>
    [Shorthand, RequiredKey]
    public ColorOrder Order { get; set; } = ColorOrder.Rgb;

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        if (image.Channels != 3) throw new FrostlineException("channel-order needs a colour image; put channels: 3 before it");
        int[] sources = Order == ColorOrder.Rgb ? [0, 1, 2] : [2, 1, 0];
        return image.Reorder([.. sources.Select(source => image.Outputs.Select(o => o.Source).ToList().IndexOf(source))]);
    }
}

/// <summary>
/// <c>channels</c>: grey to three equal channels, colours to grey (ITU-R 601-2 luma, as Pillow's), or either to four, red, green, blue and
/// luma: <c>channels: 3</c>. Has to come before transforms of values, and with four channels after those of colours.
/// </summary>
public sealed class Channels : ImageTransform
{
    /// <summary>1, 3 or 4.</summary>
    [Shorthand, RequiredKey]
    [AllowedValues(1, 3, 4)]
    public int Count { get; set; } = 3;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Count is 1 or 3 or 4 ? null : new OptionProblem(nameof(Count), "an image has 1, 3 or 4 channels");

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        if (image.Channels == Count) return image;
        if (!image.HasPlainValues)
            throw new FrostlineException("channels has to come before scale, value-range, normalize and channel-order");
        if (image.Channels == 4) throw new FrostlineException($"channels: {Count} cannot follow channels: 4; keep one of them");
        var pixels = (image.Channels, Count) switch
        {
            (_, 1) => Colour.Luma(image.Pixels),
            (_, 3) => Colour.Repeat(image.Pixels),
            (1, _) => Colour.WithLuma(Colour.Repeat(image.Pixels)),
            _ => Colour.WithLuma(image.Pixels),
        };
        return new ImageField(pixels, image.Height, image.Width, Count);
    }
}
