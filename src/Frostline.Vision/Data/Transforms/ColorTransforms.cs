using System.ComponentModel.DataAnnotations;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary>
/// <c>color-jitter</c>: changes brightness, contrast, saturation and hue at random, in random order, as torchvision's
/// <c>ColorJitter</c> does a Pillow image. Saturation and hue leave a grey image as it is.
/// </summary>
public sealed class ColorJitter : ImageTransform
{
    /// <summary>The factor is drawn from max(0, 1 - b) to 1 + b. Default: 0, unchanged.</summary>
    [Range(0d, 255d)]
    public double Brightness { get; set; }

    /// <summary>The factor is drawn from max(0, 1 - c) to 1 + c. Default: 0, unchanged.</summary>
    [Range(0d, 255d)]
    public double Contrast { get; set; }

    /// <summary>The factor is drawn from max(0, 1 - s) to 1 + s. Default: 0, unchanged.</summary>
    [Range(0d, 255d)]
    public double Saturation { get; set; }

    /// <summary>The hue is turned by -h to h, in turns; at most 0.5. Default: 0, unchanged.</summary>
    [Range(0d, 0.5d)]
    public double Hue { get; set; }

    /// <inheritdoc/>
    public override bool IsRandom => true;

    /// <inheritdoc/>
    public override OptionProblem? Check()
    {
        (string Name, double Value)[] widths =
            [(nameof(Brightness), Brightness), (nameof(Contrast), Contrast), (nameof(Saturation), Saturation)];
        foreach (var (name, value) in widths)
            if (value is not (>= 0 and <= 255)) return new OptionProblem(name, "has to be between 0 and 255");
        return Hue is >= 0 and <= 0.5 ? null : new OptionProblem(nameof(Hue), "has to be between 0 and 0.5");
    }

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        Colour.RequireNoLuminance(image, "color-jitter");
        // Everything is drawn, used or not, so that one option does not change what another draws.
        int[] order = [0, 1, 2, 3];
        random.Shuffle<int>(order);
        double[] amounts =
        [
            Factor(Brightness, random),
            Factor(Contrast, random),
            Factor(Saturation, random),
            random.NextDouble(-Hue, Hue),
        ];
        var pixels = image.Pixels;
        foreach (var step in order)
        {
            pixels = step switch
            {
                0 when Brightness > 0 => Colour.Brightness(pixels, (float)amounts[0]),
                1 when Contrast > 0 => Colour.Contrast(pixels, image.Channels, (float)amounts[1]),
                2 when Saturation > 0 && image.Channels == 3 => Colour.Saturation(pixels, (float)amounts[2]),
                3 when Hue > 0 && image.Channels == 3 => Colour.Hue(pixels, amounts[3]),
                _ => pixels,
            };
        }

        return image.WithPicture(pixels, image.Height, image.Width);
    }

    private static double Factor(double width, CounterRandom random) => random.NextDouble(Math.Max(0, 1 - width), 1 + width);
}

/// <summary>
/// <c>grayscale</c>: takes the colour out and keeps the number of channels: <c>grayscale: 0.2</c> at random, <c>grayscale: 1</c>
/// always.
/// </summary>
public sealed class Grayscale : ImageTransform
{
    /// <summary>The probability. Default: 1.</summary>
    [Shorthand]
    [Range(0d, 1d)]
    public double Probability { get; set; } = 1;

    /// <inheritdoc/>
    public override bool IsRandom => Probability is > 0 and < 1;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Probability is >= 0 and <= 1 ? null : new OptionProblem(nameof(Probability), "a probability is between 0 and 1");

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        Colour.RequireNoLuminance(image, "grayscale");
        if (image.Channels == 1 || Probability == 0 || (IsRandom && random.NextDouble() >= Probability)) return image;
        return image.WithPicture(Colour.Repeat(Colour.Luma(image.Pixels)), image.Height, image.Width);
    }
}
