using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>
/// <c>pose-targets</c>: what a network of pose learns, after <c>pose-crop</c>: the field <c>heatmap</c> [J, H / stride, W / stride], or of the size that is given, and for each joint
/// <c>weight</c> [J], 1 where it counts and 0 where nobody labelled it or where it lies too far outside.
/// </summary>
public sealed class PoseTargets : PoseTransform
{
    /// <summary>The standard deviation of the peaks, in pixels of the heatmap. Default: 2, for inputs of 256 x 192; 3 for 384 x 288.</summary>
    [Range(0.1, 100d)]
    public double Sigma { get; set; } = 2;

    /// <summary>How many pixels of the input one of the heatmap is, each way. Default: 4.</summary>
    [Range(1, 64)]
    public int Stride { get; set; } = 4;

    /// <summary>
    /// The width of the heatmaps, for networks whose heatmaps are no whole part of the input, such as 68 for 257 pixels; with height. Default: by the stride.
    /// </summary>
    [Range(1, 1 << 14)]
    public int? Width { get; set; }

    /// <summary>The height of the heatmaps, with width. Default: by the stride.</summary>
    [Range(1, 1 << 14)]
    public int? Height { get; set; }

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Sigma is not (>= 0.1 and <= 100) ? new OptionProblem(nameof(Sigma), "has to be between 0.1 and 100 pixels")
        : Stride is not (>= 1 and <= 64) ? new OptionProblem(nameof(Stride), "has to be between 1 and 64 pixels")
        : (Width is null) != (Height is null) ? new OptionProblem(Width is null ? nameof(Height) : nameof(Width), "a heatmap has a width and a height; give both")
        : Width < 1 || Height < 1 ? new OptionProblem(nameof(Width), "a heatmap has at least one pixel")
        : null;

    /// <inheritdoc/>
    protected override void Change(Sample sample, PoseField pose, CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(pose);
        if (pose.ToInput is null) throw new FrostlineException("pose-targets needs the network's input; put pose-crop before it");
        if (Width is null && (pose.InputWidth % Stride != 0 || pose.InputHeight % Stride != 0))
            throw new FrostlineException(
                $"an input of {pose.InputHeight} x {pose.InputWidth} has no heatmap with a stride of {Stride}; give sides that {Stride} divides, or the heatmap's width and height");
        int width = Width ?? (pose.InputWidth / Stride), height = Height ?? (pose.InputHeight / Stride);
        var (strideX, strideY) = (pose.InputWidth / (double)width, pose.InputHeight / (double)height);
        var joints = pose.SeenJoints().Select(joint => joint with { X = joint.X / strideX, Y = joint.Y / strideY }).ToList();
        var (heatmaps, weights) = Draw(joints, width, height, 1, Sigma);
        sample.Set("heatmap", SampleTensor.Of(heatmaps, pose.Joints.Count, height, width));
        sample.Set("weight", SampleTensor.Of(weights, pose.Joints.Count));
    }

    /// <summary>
    /// The target of each joint: a peak of height 1 at the pixel nearest to it, cut off three standard deviations away, as the official code of HRNet
    /// draws it. A joint whose peak lies wholly outside has the weight 0.
    /// </summary>
    /// <param name="joints">The joints in pixels of the network's input.</param>
    /// <param name="width">The width of a heatmap.</param>
    /// <param name="height">The height of a heatmap.</param>
    /// <param name="stride">How many pixels of the input one of the heatmap is.</param>
    /// <param name="sigma">The standard deviation in pixels of the heatmap.</param>
    /// <returns>The heatmaps [J, height, width] and the weights [J].</returns>
    public static (float[] Heatmaps, float[] Weights) Draw(IReadOnlyList<Joint> joints, int width, int height, double stride, double sigma)
    {
        ArgumentNullException.ThrowIfNull(joints);
        var heatmaps = new float[checked(joints.Count * height * width)];
        var weights = new float[joints.Count];
        var radius = (int)Math.Ceiling(3 * sigma);
        // A Gaussian of two dimensions is the product of two of one.
        var falloff = new double[radius + 1];
        for (var d = 0; d <= radius; d++) falloff[d] = Math.Exp(-(d * (double)d) / (2 * sigma * sigma));
        for (var j = 0; j < joints.Count; j++)
        {
            if (!joints[j].IsLabelled) continue;
            int x = Nearest(joints[j].X / stride), y = Nearest(joints[j].Y / stride);
            // The official code counts a joint whose patch ends right at the upper or left border.
            if (x - radius >= width || y - radius >= height || x + radius + 1 < 0 || y + radius + 1 < 0) continue;
            weights[j] = 1;
            for (var row = Math.Max(0, y - radius); row <= Math.Min(height - 1, y + radius); row++)
            {
                var at = ((j * height) + row) * width;
                for (var column = Math.Max(0, x - radius); column <= Math.Min(width - 1, x + radius); column++)
                    heatmaps[at + column] = (float)(falloff[Math.Abs(row - y)] * falloff[Math.Abs(column - x)]);
            }
        }

        return (heatmaps, weights);
    }

    /// <summary>Rounds as the official code does, which cuts the fraction off towards zero.</summary>
    private static int Nearest(double position) => (int)Math.Clamp(position + 0.5, -1e6, 1e6);
}
