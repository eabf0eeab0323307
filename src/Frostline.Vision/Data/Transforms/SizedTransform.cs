using System.ComponentModel.DataAnnotations;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary>A transform that results in one size, given as a square or as height and width.</summary>
public abstract class SizedTransform : ImageTransform
{
    /// <inheritdoc/>
    private protected override bool MovesPixels => true;

    /// <summary>The side of a square result, in pixels.</summary>
    [Shorthand]
    [Range(1, 1 << 16)]
    public virtual int? Size { get; set; }

    /// <summary>The height of the result, with <c>width</c> instead of <c>size</c>.</summary>
    [Range(1, 1 << 16)]
    public int? Height { get; set; }

    /// <summary>The width of the result, with <c>height</c> instead of <c>size</c>.</summary>
    [Range(1, 1 << 16)]
    public int? Width { get; set; }

    /// <inheritdoc/>
    public override OptionProblem? Check()
    {
        foreach (var (name, value) in new[] { (nameof(Size), Size), (nameof(Height), Height), (nameof(Width), Width) })
            if (value is < 1 or > 1 << 16) return new OptionProblem(name, $"{value} pixels are not possible");
        if (Size is not null && Height is null && Width is null) return null;
        if (Size is null && Height is not null && Width is not null) return null;
        return new OptionProblem(nameof(Size), "give either size, or both height and width");
    }

    /// <summary>The height of an exact result.</summary>
    private protected int ExactHeight => Size ?? Height!.Value;

    /// <summary>The width of an exact result.</summary>
    private protected int ExactWidth => Size ?? Width!.Value;
}

/// <summary>
/// <c>resize</c>: resamples, as torchvision's <c>Resize</c> does a Pillow image: <c>resize: 256</c> or <c>resize: { height: 32,
/// width: 48 }</c>.
/// </summary>
public sealed class Resize : SizedTransform
{
    /// <summary>The length of the short side; the long side becomes <c>floor(size * long / short)</c>.</summary>
    [Shorthand]
    [Range(1, 1 << 16)]
    public override int? Size { get; set; }

    /// <summary>The filter. Default: bilinear, antialiased.</summary>
    public Interpolation Interpolation { get; set; } = Interpolation.Bilinear;

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        if (Size is not { } size) return Geometry.Resize(image, Height!.Value, Width!.Value, Interpolation);
        (long height, long width) = image.Width <= image.Height
            ? ((long)size * image.Height / image.Width, (long)size)
            : ((long)size, (long)size * image.Width / image.Height);
        if (height > 1 << 16 || width > 1 << 16)
            throw new FrostlineException($"a picture of {image.Height} x {image.Width} would become {height} x {width}");
        return Geometry.Resize(image, (int)height, (int)width, Interpolation);
    }
}

/// <summary>
/// <c>center-crop</c>: the middle of the picture, as torchvision's <c>CenterCrop</c>; a smaller picture is padded with black.
/// </summary>
public sealed class CenterCrop : SizedTransform
{
    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        int lackY = Math.Max(0, ExactHeight - image.Height), lackX = Math.Max(0, ExactWidth - image.Width);
        image = Geometry.Pad(image, lackY / 2, lackX / 2, (lackY + 1) / 2, (lackX + 1) / 2, fill: 0);
        // Halves go to the even side, as Python rounds.
        var top = (int)Math.Round((image.Height - ExactHeight) / 2.0, MidpointRounding.ToEven);
        var left = (int)Math.Round((image.Width - ExactWidth) / 2.0, MidpointRounding.ToEven);
        return Geometry.Crop(image, top, left, ExactHeight, ExactWidth);
    }
}

/// <summary><c>random-crop</c>: a part anywhere, after padding; as torchvision's <c>RandomCrop</c>.</summary>
public sealed class RandomCrop : SizedTransform
{
    /// <summary>Pixels added to each side first. Default: 0.</summary>
    [Range(0, 1 << 12)]
    public int Padding { get; set; }

    /// <summary>The padding's grey level, 0 to 255. Default: 0, black.</summary>
    [Range(0, 255)]
    public int Fill { get; set; }

    /// <inheritdoc/>
    public override bool IsRandom => true;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Padding is < 0 or > 1 << 12 ? new OptionProblem(nameof(Padding), $"{Padding} pixels are not possible")
        : Fill is < 0 or > 255 ? new OptionProblem(nameof(Fill), "a grey level is 0 to 255")
        : base.Check();

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        image = Geometry.Pad(image, Padding, Padding, Padding, Padding, (byte)Fill);
        if (image.Height < ExactHeight || image.Width < ExactWidth)
            throw new FrostlineException(
                $"the picture is {image.Height} x {image.Width} with its padding, random-crop needs {ExactHeight} x "
                + $"{ExactWidth}; put a resize before it");
        var top = random.NextInt32(image.Height - ExactHeight + 1);
        var left = random.NextInt32(image.Width - ExactWidth + 1);
        return Geometry.Crop(image, top, left, ExactHeight, ExactWidth);
    }
}

/// <summary>
/// <c>random-resized-crop</c>: a part of random area and aspect ratio, resampled to one size, as torchvision's
/// <c>RandomResizedCrop</c> (Szegedy et al., "Going Deeper with Convolutions", 2015).
/// </summary>
public sealed class RandomResizedCrop : SizedTransform
{
    /// <summary>The least and greatest share of the picture's area, each in (0, 1]. Default: 0.08 to 1.</summary>
    public IReadOnlyList<double> Scale { get; set; } = [0.08, 1.0];

    /// <summary>The least and greatest ratio of width to height; its logarithm is drawn uniformly. Default: 3/4 to 4/3.</summary>
    public IReadOnlyList<double> Ratio { get; set; } = [3.0 / 4.0, 4.0 / 3.0];

    /// <summary>The filter. Default: bilinear, antialiased.</summary>
    public Interpolation Interpolation { get; set; } = Interpolation.Bilinear;

    /// <inheritdoc/>
    public override bool IsRandom => true;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        !IsRange(Scale, double.Epsilon, 1)
            ? new OptionProblem(nameof(Scale), "give the least and the greatest share, between 0 and 1: [0.08, 1]")
        : !IsRange(Ratio, double.Epsilon)
            ? new OptionProblem(nameof(Ratio), "give the least and the greatest ratio, above 0: [0.75, 1.333]")
        : base.Check();

    /// <inheritdoc/>
    protected override ImageField Change(ImageField image, CounterRandom random)
    {
        var (top, left, height, width) = Draw(image.Height, image.Width, random);
        return Geometry.Resize(Geometry.Crop(image, top, left, height, width), ExactHeight, ExactWidth, Interpolation);
    }

    /// <summary>The part: ten tries, then the largest one in the middle whose ratio is allowed.</summary>
    internal (int Top, int Left, int Height, int Width) Draw(int height, int width, CounterRandom random)
    {
        for (var attempt = 0; attempt < 10; attempt++)
        {
            var area = (double)height * width * random.NextDouble(Scale[0], Scale[1]);
            var ratio = Math.Exp(random.NextDouble(Math.Log(Ratio[0]), Math.Log(Ratio[1])));
            var w = Math.Round(Math.Sqrt(area * ratio), MidpointRounding.ToEven);
            var h = Math.Round(Math.Sqrt(area / ratio), MidpointRounding.ToEven);
            if (w < 1 || h < 1 || w > width || h > height) continue;
            return (random.NextInt32(height - (int)h + 1), random.NextInt32(width - (int)w + 1), (int)h, (int)w);
        }

        var own = (double)width / height;
        var (partHeight, partWidth) = own < Ratio[0]
            ? (Math.Max(1, (int)Math.Round(width / Ratio[0], MidpointRounding.ToEven)), width)
            : own > Ratio[1] ? (height, Math.Max(1, (int)Math.Round(height * Ratio[1], MidpointRounding.ToEven)))
            : (height, width);
        return ((height - partHeight) / 2, (width - partWidth) / 2, partHeight, partWidth);
    }
}
