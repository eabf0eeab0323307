namespace Frostline.Vision.Pose;

/// <summary>How a joint's place is told more finely than to a pixel of the heatmap.</summary>
public enum HeatmapRefinement
{
    /// <summary>Not at all: the greatest pixel's middle.</summary>
    None,

    /// <summary>A quarter of a pixel towards the greater neighbour, each way; the official way of HRNet.</summary>
    Quarter,

    /// <summary>
    /// One step of Newton's method on the logarithm of the smoothed heatmap (Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose
    /// Estimation", CVPR 2020). A step of more than two pixels is not taken: such a map has no peak of that shape.
    /// </summary>
    Dark,
}

/// <summary>Tells from heatmaps where the joints are in the image.</summary>
public sealed record HeatmapDecoder
{
    private const double LeastLogarithm = 1e-10;

    /// <summary>How places are told within a pixel. Default: by a quarter.</summary>
    public HeatmapRefinement Refinement { get; init; } = HeatmapRefinement.Quarter;

    /// <summary>
    /// The standard deviation of the peaks that the network learned, in pixels of the heatmap; <see cref="HeatmapRefinement.Dark"/> smooths by it, within
    /// 6 sigma - 1 pixels. Default: 2.
    /// </summary>
    public double Sigma { get; init; } = 2;

    /// <summary>Finds the joints of one person.</summary>
    /// <param name="heatmaps">A heatmap a joint, row-major [J, height, width].</param>
    /// <param name="height">The height of a heatmap.</param>
    /// <param name="width">The width of a heatmap.</param>
    /// <param name="view">What the network saw of the image.</param>
    /// <param name="skeleton">What the joints are. In a mirrored view the places of its pairs are exchanged.</param>
    /// <returns>The joints in pixels of the image, each with the height of its peak. Where no pixel is above zero that is the heatmap's corner.</returns>
    /// <exception cref="FrostlineException">The heatmaps do not have that shape.</exception>
    public IReadOnlyList<PredictedJoint> Decode(ReadOnlySpan<float> heatmaps, int height, int width, PoseView view, Skeleton skeleton)
    {
        ArgumentNullException.ThrowIfNull(skeleton);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        var plane = checked(height * width);
        if (heatmaps.Length != (long)skeleton.Joints.Count * plane)
            throw new FrostlineException(
                $"{heatmaps.Length} values are no heatmaps [{skeleton.Joints.Count}, {height}, {width}]; the network has other joints than the data");
        var toImage = view.ToInput(width, height).Inverse();
        var joints = new PredictedJoint[skeleton.Joints.Count];
        for (var j = 0; j < joints.Length; j++)
        {
            var (x, y, score) = Peak(heatmaps.Slice(j * plane, plane), height, width);
            var place = toImage.Apply(x, y);
            joints[j] = new PredictedJoint(place.X, place.Y, score);
        }

        if (!view.IsFlipped) return joints;
        foreach (var (left, right) in skeleton.FlipPairs) (joints[left], joints[right]) = (joints[right], joints[left]);
        return joints;
    }

    /// <summary>The place of a heatmap's peak in pixels of the heatmap, and its height.</summary>
    /// <param name="heatmap">The heatmap, row-major [height, width].</param>
    /// <param name="height">Its height.</param>
    /// <param name="width">Its width.</param>
    public (double X, double Y, double Score) Peak(ReadOnlySpan<float> heatmap, int height, int width)
    {
        var at = 0;
        var best = float.NegativeInfinity;
        for (var i = 0; i < heatmap.Length; i++)
            if (heatmap[i] > best) (best, at) = (heatmap[i], i);
        // A map of numbers that are none has no peak; scores have to stay numbers.
        if (!float.IsFinite(best)) return (0, 0, 0);
        if (best <= 0) return (0, 0, best);
        int x = at % width, y = at / width;
        var inside = x > 1 && x < width - 1 && y > 1 && y < height - 1;
        if (Refinement == HeatmapRefinement.None || !inside) return (x, y, best);
        if (Refinement == HeatmapRefinement.Quarter)
        {
            var (dx, dy) = (heatmap[at + 1] - heatmap[at - 1], heatmap[at + width] - heatmap[at - width]);
            return (x + Quarter(dx), y + Quarter(dy), best);
        }

        var (stepX, stepY) = x < width - 2 && y < height - 2 ? NewtonStep(heatmap, height, width, x, y) : (0, 0);
        return (x + stepX, y + stepY, best);
    }

    private static double Quarter(float difference) => difference > 0 ? 0.25 : difference < 0 ? -0.25 : 0;

    /// <summary>Where the smoothed peak would be if its logarithm were a quadratic function, as a Gaussian's is.</summary>
    private (double X, double Y) NewtonStep(ReadOnlySpan<float> heatmap, int height, int width, int x, int y)
    {
        Span<double> patch = stackalloc double[25];
        Smooth(heatmap, height, width, x, y, patch);
        foreach (ref var value in patch) value = Math.Log(Math.Max(value, LeastLogarithm));
        // Differences over two pixels each way, as in the paper's code.
        double middle = patch[12], left = patch[11], right = patch[13], above = patch[7], below = patch[17];
        var (dx, dy) = ((right - left) / 2, (below - above) / 2);
        var (dxx, dyy) = ((patch[14] - (2 * middle) + patch[10]) / 4, (patch[22] - (2 * middle) + patch[2]) / 4);
        var dxy = (patch[18] - patch[8] - patch[16] + patch[6]) / 4;
        var determinant = (dxx * dyy) - (dxy * dxy);
        if (determinant == 0) return (0, 0);
        var (stepX, stepY) = (((dxy * dy) - (dyy * dx)) / determinant, ((dxy * dx) - (dxx * dy)) / determinant);
        return Math.Abs(stepX) <= 2 && Math.Abs(stepY) <= 2 ? (stepX, stepY) : (0, 0);
    }

    /// <summary>The 5 x 5 pixels about a place, smoothed by a Gaussian; zero lies outside of the heatmap.</summary>
    private void Smooth(ReadOnlySpan<float> heatmap, int height, int width, int x, int y, Span<double> patch)
    {
        var radius = Math.Max(1, (int)Math.Round((3 * Sigma) - 1));
        var kernel = new double[(2 * radius) + 1];
        for (var i = 0; i < kernel.Length; i++) kernel[i] = Math.Exp(-((i - radius) * (double)(i - radius)) / (2 * Sigma * Sigma));
        var sum = kernel.Sum();
        for (var i = 0; i < kernel.Length; i++) kernel[i] /= sum;
        patch.Clear();
        Span<double> line = stackalloc double[5];
        for (var row = Math.Max(0, y - 2 - radius); row <= Math.Min(height - 1, y + 2 + radius); row++)
        {
            line.Clear();
            for (var c = 0; c < 5; c++)
            {
                var first = x - 2 + c - radius;
                for (var column = Math.Max(0, first); column <= Math.Min(width - 1, first + (2 * radius)); column++)
                    line[c] += kernel[column - first] * heatmap[(row * width) + column];
            }

            for (var r = 0; r < 5; r++)
            {
                var weight = row - (y - 2 + r - radius);
                if (weight < 0 || weight >= kernel.Length) continue;
                for (var c = 0; c < 5; c++) patch[(5 * r) + c] += kernel[weight] * line[c];
            }
        }
    }
}
