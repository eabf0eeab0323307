namespace Frostline.Vision.Pose;

/// <summary>A rectangle in pixels of an image: COCO's <c>bbox</c>.</summary>
/// <param name="X">Its left edge.</param>
/// <param name="Y">Its upper edge.</param>
/// <param name="Width">Its width.</param>
/// <param name="Height">Its height.</param>
public readonly record struct Box(double X, double Y, double Width, double Height)
{
    /// <summary>Width times height, in square pixels.</summary>
    public double Area => Width * Height;

    /// <summary>The point in its middle.</summary>
    public (double X, double Y) Center => (X + (Width / 2), Y + (Height / 2));
}
