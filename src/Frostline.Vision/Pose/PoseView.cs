namespace Frostline.Vision.Pose;

/// <summary>
/// What part of an image a network of pose sees: a rectangle, turned about its centre and perhaps mirrored. All in pixels of the image as it lies on
/// the disk, whatever was turned or mirrored; not in units of 200 pixels, as the official code of HRNet counts.
/// </summary>
/// <param name="CenterX">The centre's x.</param>
/// <param name="CenterY">The centre's y.</param>
/// <param name="Width">The width, which alone fixes the scale; above 0.</param>
/// <param name="Height">The height; above 0.</param>
/// <param name="Rotation">By how many degrees the rectangle is turned clockwise, as the image is seen; where it is mirrored, as its mirror image is.</param>
/// <param name="IsFlipped">Whether the network sees it mirrored, left and right exchanged before it is turned.</param>
public readonly record struct PoseView(
    double CenterX, double CenterY, double Width, double Height, double Rotation = 0, bool IsFlipped = false)
{
    /// <summary>How many pixels the official code of HRNet counts as one.</summary>
    private const double PixelsPerScale = 200;

    /// <summary>A box as it is, upright.</summary>
    /// <param name="box">The box.</param>
    public static PoseView Around(Box box) => new(box.Center.X, box.Center.Y, box.Width, box.Height);

    /// <summary>What the official code of HRNet calls a centre and a scale.</summary>
    /// <param name="centerX">The centre's x in pixels.</param>
    /// <param name="centerY">The centre's y in pixels.</param>
    /// <param name="scaleX">The width in units of 200 pixels, padding included.</param>
    /// <param name="scaleY">The height in units of 200 pixels, padding included.</param>
    /// <param name="rotation">Degrees, clockwise. Default: 0.</param>
    public static PoseView OfScale(double centerX, double centerY, double scaleX, double scaleY, double rotation = 0) =>
        new(centerX, centerY, scaleX * PixelsPerScale, scaleY * PixelsPerScale, rotation);

    /// <summary>This view in a network's shape: the shorter side is lengthened about the centre, then both are.</summary>
    /// <param name="aspectRatio">The width of the network's input through its height.</param>
    /// <param name="padding">By how much both sides are lengthened at the end. Default: 1.25, as HRNet's code has it.</param>
    public PoseView Fit(double aspectRatio, double padding = 1.25)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(aspectRatio);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(padding);
        var (width, height) = Width > aspectRatio * Height ? (Width, Width / aspectRatio) : (aspectRatio * Height, Height);
        return this with { Width = width * padding, Height = height * padding };
    }

    /// <summary>
    /// Maps pixels of the image to pixels of what the network sees: its input, or a heatmap. The view's centre goes to the middle of the output and
    /// its width to the output's width; the scale is the same in all directions, so that the height follows. Pixels' middles are whole numbers in
    /// both, as in the official code (<c>get_affine_transform</c>).
    /// </summary>
    /// <param name="width">The output's width in pixels.</param>
    /// <param name="height">The output's height in pixels.</param>
    /// <exception cref="FrostlineException">The view has no extent, or numbers that are not finite.</exception>
    public Affine ToInput(int width, int height)
    {
        var scale = width / Width;
        if (!(Width > 0) || !double.IsFinite(scale) || !double.IsFinite(CenterX + CenterY + Rotation))
            throw new FrostlineException($"a view of {Width} x {Height} pixels about ({CenterX}, {CenterY}) shows nothing; look at the person's box");
        var (sin, cos) = Math.SinCos(Rotation * (Math.PI / 180));
        var side = IsFlipped ? -scale : scale;
        double a = side * cos, b = scale * sin, d = -side * sin, e = scale * cos;
        return new Affine(a, b, (width / 2.0) - ((a * CenterX) + (b * CenterY)), d, e, (height / 2.0) - ((d * CenterX) + (e * CenterY)));
    }
}
