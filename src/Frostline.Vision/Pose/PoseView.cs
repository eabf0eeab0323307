namespace Frostline.Vision.Pose;

/// <summary>
/// What part of an image a network of pose sees: a rectangle, turned about its centre and perhaps mirrored. All in pixels of the image as it lies on
/// the disk, whatever was turned or mirrored; not in units of 200 pixels, as the official code of HRNet counts.
/// </summary>
/// <param name="CenterX">The centre's x.</param>
/// <param name="CenterY">The centre's y.</param>
/// <param name="Width">The width, which alone fixes the scale; above 0.</param>
/// <param name="Height">The height; above 0.</param>
/// <param name="Rotation">By how many degrees the rectangle is turned clockwise, as the image is seen.</param>
/// <param name="IsFlipped">Whether the network sees it mirrored, left and right exchanged before it is turned.</param>
public readonly record struct PoseView(
    double CenterX, double CenterY, double Width, double Height, double Rotation = 0, bool IsFlipped = false);
