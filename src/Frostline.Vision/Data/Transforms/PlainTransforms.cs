using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary><c>flip</c>: mirrors at random: <c>flip: 0.5</c> or <c>flip: { horizontal: 0.5, vertical: 0.5 }</c>.</summary>
public sealed class Flip : ImageTransform, IDiscreteTransform
{
    /// <inheritdoc/>
    private protected override bool MovesPixels => true;

    /// <summary>The probability of exchanging left and right. Default: 0.5.</summary>
    [Shorthand]
    [Range(0d, 1d)]
    public double Horizontal { get; set; } = 0.5;

    /// <summary>The probability of exchanging top and bottom. Default: 0.</summary>
    [Range(0d, 1d)]
    public double Vertical { get; set; }

    /// <inheritdoc/>
    public override bool IsRandom => true;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Horizontal is not (>= 0 and <= 1) ? new OptionProblem(nameof(Horizontal), "a probability is between 0 and 1")
        : Vertical is not (>= 0 and <= 1) ? new OptionProblem(nameof(Vertical), "a probability is between 0 and 1")
        : null;

    /// <summary>2 for each direction that is left to chance: the picture as it is first, then exchanged from left to right.</summary>
    public int Outcomes => OutcomesOf(Horizontal) * OutcomesOf(Vertical);

    /// <inheritdoc/>
    public int Draw(CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(random);
        bool sides = random.NextDouble() < Horizontal, ends = random.NextDouble() < Vertical;
        return (sides && OutcomesOf(Horizontal) == 2 ? 1 : 0) + (ends && OutcomesOf(Vertical) == 2 ? OutcomesOf(Horizontal) : 0);
    }

    /// <inheritdoc/>
    public void Apply(Sample sample, int outcome)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(outcome);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(outcome, Outcomes);
        Replace(sample, image => Change(image, outcome));
    }

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random) => Change(image, Draw(random));

    private static int OutcomesOf(double probability) => probability is > 0 and < 1 ? 2 : 1;

    private ImageField Change(ImageField image, int outcome)
    {
        var (sides, ends) = (outcome % OutcomesOf(Horizontal) == 1 || Horizontal == 1, outcome / OutcomesOf(Horizontal) == 1 || Vertical == 1);
        if (sides) image = Geometry.FlipHorizontally(image);
        return ends ? Geometry.FlipVertically(image) : image;
    }
}

/// <summary>What padding consists of.</summary>
public enum PaddingMode
{
    /// <summary>One grey level.</summary>
    Constant,

    /// <summary>The picture mirrored at its edge pixels, which are not repeated.</summary>
    Reflect,
}

/// <summary><c>pad</c>: adds a border: <c>pad: 4</c>.</summary>
public sealed class Pad : ImageTransform
{
    /// <inheritdoc/>
    private protected override bool MovesPixels => true;

    /// <summary>Pixels added to each side.</summary>
    [Shorthand, RequiredKey]
    [Range(0, 1 << 12)]
    public int Size { get; set; }

    /// <summary>What the border consists of. Default: constant.</summary>
    public PaddingMode Mode { get; set; } = PaddingMode.Constant;

    /// <summary>The border's grey level, 0 to 255, where it is constant. Default: 0, black.</summary>
    [Range(0, 255)]
    public int Fill { get; set; }

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Size is < 0 or > 1 << 12 ? new OptionProblem(nameof(Size), $"{Size} pixels are not possible")
        : Fill is < 0 or > 255 ? new OptionProblem(nameof(Fill), "a grey level is 0 to 255")
        : null;

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random) =>
        Geometry.Pad(image, Size, Size, Size, Size, Mode == PaddingMode.Constant ? (byte)Fill : null);
}

/// <summary>
/// <c>random-erasing</c>: fills a random rectangle (Zhong et al., "Random Erasing Data Augmentation", 2020), chosen as
/// torchvision's <c>RandomErasing</c> chooses it.
/// </summary>
public sealed class RandomErasing : ImageTransform
{
    /// <summary>The probability that anything is erased. Default: 0.5.</summary>
    [Shorthand]
    [Range(0d, 1d)]
    public double Probability { get; set; } = 0.5;

    /// <summary>The least and greatest share of the picture's area. Default: 0.02 to 0.33.</summary>
    public IReadOnlyList<double> Scale { get; set; } = [0.02, 0.33];

    /// <summary>The least and greatest ratio of height to width; its logarithm is drawn uniformly. Default: 0.3 to 3.3.</summary>
    public IReadOnlyList<double> Ratio { get; set; } = [0.3, 3.3];

    /// <summary>
    /// The grey level of the rectangle, 0 to 255, wherever in the list the values are scaled. Default: each byte is drawn at
    /// random.
    /// </summary>
    [Range(0, 255)]
    public int? Fill { get; set; }

    /// <inheritdoc/>
    public override bool IsRandom => true;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Probability is not (>= 0 and <= 1) ? new OptionProblem(nameof(Probability), "a probability is between 0 and 1")
        : !IsRange(Scale, 0, 1)
            ? new OptionProblem(nameof(Scale), "give the least and the greatest share, between 0 and 1: [0.02, 0.33]")
        : !IsRange(Ratio, double.Epsilon)
            ? new OptionProblem(nameof(Ratio), "give the least and the greatest ratio, above 0: [0.3, 3.3]")
        : Fill is < 0 or > 255 ? new OptionProblem(nameof(Fill), "a grey level is 0 to 255")
        : null;

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        if (random.NextDouble() >= Probability) return image;
        for (var attempt = 0; attempt < 10; attempt++)
        {
            var area = (double)image.Height * image.Width * random.NextDouble(Scale[0], Scale[1]);
            var ratio = Math.Exp(random.NextDouble(Math.Log(Ratio[0]), Math.Log(Ratio[1])));
            var height = Math.Round(Math.Sqrt(area * ratio), MidpointRounding.ToEven);
            var width = Math.Round(Math.Sqrt(area / ratio), MidpointRounding.ToEven);
            if (height >= image.Height || width >= image.Width) continue;
            return Erase(image, (int)height, (int)width, random);
        }

        return image;
    }

    private ImageField Erase(ImageField image, int height, int width, CounterRandom random)
    {
        var top = random.NextInt32(image.Height - height + 1);
        var left = random.NextInt32(image.Width - width + 1);
        byte[] pixels = [.. image.Pixels];
        for (var y = top; y < top + height; y++)
        {
            var row = pixels.AsSpan(((y * image.Width) + left) * image.Channels, width * image.Channels);
            if (Fill is { } level) row.Fill((byte)level);
            else foreach (ref var value in row) value = (byte)random.NextInt32(256);
        }

        return image.WithPicture(pixels, image.Height, image.Width);
    }
}
