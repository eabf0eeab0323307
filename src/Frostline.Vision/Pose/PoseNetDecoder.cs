using TorchSharp;

namespace Frostline.Vision.Pose;

/// <summary>
/// Makes one person's joints of what <see cref="Networks.PoseNet"/> puts out: of each joint the point with the highest score, moved by the offset
/// that the network gives there (Papandreou et al., "Towards accurate multi-person pose estimation in the wild", CVPR 2017, for one person).
/// </summary>
public static class PoseNetDecoder
{
    /// <summary>Decodes a batch.</summary>
    /// <param name="heatmap"><c>[N, J, h, w]</c>, before the sigmoid.</param>
    /// <param name="offset"><c>[N, 2 J, h, w]</c>, in pixels of the image: down for all joints, then to the right for all.</param>
    /// <param name="stride">Pixels of the image from one point of the maps to the next, for example <see cref="Networks.PoseNet.OutputStride"/>.</param>
    /// <returns>For each image its joints in pixels, with scores from 0 to 1.</returns>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public static IReadOnlyList<IReadOnlyList<PredictedJoint>> Decode(torch.Tensor heatmap, torch.Tensor offset, double stride)
    {
        ArgumentNullException.ThrowIfNull(heatmap);
        ArgumentNullException.ThrowIfNull(offset);
        if (heatmap.shape is not [var images, var joints, var height, var width] || !offset.shape.SequenceEqual([images, 2 * joints, height, width]))
            throw new FrostlineException(
                $"PoseNet's heatmaps [N, J, h, w] come with offsets [N, 2 J, h, w], but are [{string.Join(", ", heatmap.shape)}] and " +
                $"[{string.Join(", ", offset.shape)}]");
        var (scores, offsets) = (Values(heatmap), Values(offset));
        var maps = (int)(joints * height * width);
        return
        [
            .. Enumerable.Range(0, (int)images).Select(image => Decode(
                scores.AsSpan(image * maps, maps), offsets.AsSpan(2 * image * maps, 2 * maps), (int)height, (int)width, stride)),
        ];
    }

    /// <summary>Decodes one image.</summary>
    /// <param name="heatmap">Scores before the sigmoid, joint by joint, row by row.</param>
    /// <param name="offset">Twice as many numbers in pixels: down for all joints, then to the right for all.</param>
    /// <param name="height">Rows of a map.</param>
    /// <param name="width">Columns of a map.</param>
    /// <param name="stride">Pixels of the image from one point of the maps to the next.</param>
    /// <returns>The joints in pixels, with scores from 0 to 1.</returns>
    /// <exception cref="FrostlineException">There are not so many numbers.</exception>
    public static IReadOnlyList<PredictedJoint> Decode(
        ReadOnlySpan<float> heatmap, ReadOnlySpan<float> offset, int height, int width, double stride)
    {
        var points = (long)height * width;
        if (height < 1 || width < 1 || heatmap.Length % points != 0 || offset.Length != 2L * heatmap.Length)
            throw new FrostlineException(
                $"PoseNet's maps of {height} x {width} points come with two offsets for each score, but there are {heatmap.Length} scores and " +
                $"{offset.Length} offsets");
        var joints = new PredictedJoint[heatmap.Length / points];
        for (var joint = 0; joint < joints.Length; joint++)
        {
            var start = joint * (int)points;
            var best = Best(heatmap.Slice(start, (int)points));
            joints[joint] = new PredictedJoint(
                (best % width * stride) + offset[heatmap.Length + start + best],
                (best / width * stride) + offset[start + best],
                1 / (1 + Math.Exp(-heatmap[start + best])));
        }

        return joints;
    }

    /// <summary>The first of the highest; numbers that are none are never the highest.</summary>
    private static int Best(ReadOnlySpan<float> scores)
    {
        var best = 0;
        for (var i = 1; i < scores.Length; i++)
            if (scores[i] > scores[best] || float.IsNaN(scores[best])) best = i;
        return best;
    }

    private static float[] Values(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to(torch.float32).cpu().contiguous().data<float>().ToArray();
    }
}
