using Frostline.Training.Losses;
using TorchSharp;

namespace Frostline.Vision.Pose;

/// <summary>How joints are read from what a network puts out; the keys that metrics of pose share.</summary>
public class PoseReadingOptions
{
    /// <summary>The network's output that is read: heatmaps [B, J, H, W]. A PoseNet's own outputs are known without. Default: heatmaps.</summary>
    public string Output { get; set; } = "heatmaps";

    /// <summary>How places are told within a pixel of the heatmap: none, quarter or dark. Default: quarter.</summary>
    public HeatmapRefinement Refinement { get; set; } = HeatmapRefinement.Quarter;

    /// <summary>The standard deviation of the peaks that the network learned, in pixels of the heatmap, for dark. Default: 2.</summary>
    public double Sigma { get; set; } = 2;
}

/// <summary>A person of a batch as a network sees them.</summary>
/// <param name="Person">The person's index in the data set.</param>
/// <param name="Joints">The joints in pixels of the image, with scores.</param>
/// <param name="View">What the network saw of the image.</param>
public sealed record ReadPerson(int Person, IReadOnlyList<PredictedJoint> Joints, PoseView View);

/// <summary>
/// From a network's outputs and a batch's fields, which say what it saw of the images (<see cref="PoseCrop"/>), to joints in pixels of the images.
/// </summary>
public static class PoseReader
{
    /// <summary>Whether outputs are those of a PoseNet.</summary>
    /// <param name="names">The names of the outputs.</param>
    public static bool IsPoseNet(IEnumerable<string> names)
    {
        var known = names.ToHashSet(StringComparer.Ordinal);
        return known.Contains("heatmap") && known.Contains("offset");
    }

    /// <summary>The heatmaps among a network's outputs, [B, J, H, W]; those of a PoseNet as probabilities.</summary>
    /// <param name="outputs">The outputs by name.</param>
    /// <param name="output">The heatmaps' name.</param>
    /// <returns>A tensor that belongs to the caller's dispose scope, or to the outputs.</returns>
    /// <exception cref="FrostlineException">There are none.</exception>
    public static torch.Tensor HeatmapsOf(IReadOnlyDictionary<string, torch.Tensor> outputs, string output = "heatmaps")
    {
        ArgumentNullException.ThrowIfNull(outputs);
        return IsPoseNet(outputs.Keys) ? outputs["heatmap"].sigmoid() : outputs.Output(output, "reader of poses");
    }

    /// <summary>Reads the people of a batch.</summary>
    /// <param name="outputs">The network's outputs by name.</param>
    /// <param name="fields">The batch's fields: <c>center</c>, <c>size</c>, <c>rotation</c>, <c>flipped</c> and <c>person</c>, as pose-crop writes them.</param>
    /// <param name="skeleton">The joints.</param>
    /// <param name="options">How.</param>
    /// <param name="reader">Who reads, for messages, for example <c>metric pck</c>.</param>
    /// <returns>One for each sample, in order.</returns>
    /// <exception cref="FrostlineException">An output or field is absent, or shapes do not fit.</exception>
    public static IReadOnlyList<ReadPerson> Read(
        IReadOnlyDictionary<string, torch.Tensor> outputs,
        IReadOnlyDictionary<string, torch.Tensor> fields,
        Skeleton skeleton,
        PoseReadingOptions options,
        string reader)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(skeleton);
        ArgumentNullException.ThrowIfNull(options);
        using var scope = torch.NewDisposeScope();
        var (centers, sizes) = (Numbers(fields.Field("center", reader)), Numbers(fields.Field("size", reader)));
        var (rotations, flipped) = (Numbers(fields.Field("rotation", reader)), Numbers(fields.Field("flipped", reader)));
        var people = Numbers(fields.Field("person", reader));
        var views = people.Select((_, i) => new PoseView(
            centers[2 * i], centers[(2 * i) + 1], sizes[2 * i], sizes[(2 * i) + 1], rotations[i], flipped[i] != 0)).ToArray();
        var joints = IsPoseNet(outputs.Keys) ? OfPoseNet(outputs, views, skeleton) : OfHeatmaps(outputs.Output(options.Output, reader), views, skeleton, options);
        return [.. people.Select((person, i) => new ReadPerson((int)person, joints[i], views[i]))];
    }

    private static IReadOnlyList<PredictedJoint>[] OfHeatmaps(torch.Tensor heatmaps, PoseView[] views, Skeleton skeleton, PoseReadingOptions options)
    {
        if (heatmaps.shape is not [var count, var joints, var height, var width] || count != views.Length || joints != skeleton.Joints.Count)
            throw new FrostlineException(
                $"the network puts out heatmaps [{string.Join(", ", heatmaps.shape)}], and the data has {views.Length} people of {skeleton.Joints.Count} joints");
        var decoder = new HeatmapDecoder { Refinement = options.Refinement, Sigma = options.Sigma };
        var values = heatmaps.detach().to(torch.float32).cpu().contiguous().data<float>().ToArray();
        var size = (int)(joints * height * width);
        return [.. views.Select((view, i) => decoder.Decode(values.AsSpan(i * size, size), (int)height, (int)width, view, skeleton))];
    }

    /// <summary>A PoseNet tells joints in pixels of its input, whose size follows from that of its maps: 16 k + 1 pixels for k + 1 points.</summary>
    private static IReadOnlyList<PredictedJoint>[] OfPoseNet(IReadOnlyDictionary<string, torch.Tensor> outputs, PoseView[] views, Skeleton skeleton)
    {
        const int stride = 16;
        var heatmap = outputs["heatmap"];
        if (heatmap.shape[1] != skeleton.Joints.Count)
            throw new FrostlineException($"the network finds {heatmap.shape[1]} joints, and the data has {skeleton.Joints.Count}");
        var (height, width) = (((int)heatmap.shape[2] - 1) * stride, ((int)heatmap.shape[3] - 1) * stride);
        var found = PoseNetDecoder.Decode(heatmap, outputs["offset"], stride);
        return
        [
            .. views.Select((view, i) =>
            {
                var toImage = view.ToInput(width + 1, height + 1).Inverse();
                PredictedJoint[] joints = [.. found[i].Select(joint => toImage.Apply(joint.X, joint.Y) is var (x, y) ? new PredictedJoint(x, y, joint.Score) : joint)];
                if (view.IsFlipped) foreach (var (left, right) in skeleton.FlipPairs) (joints[left], joints[right]) = (joints[right], joints[left]);
                return joints;
            }),
        ];
    }

    private static double[] Numbers(torch.Tensor tensor) => tensor.detach().to(torch.float64).cpu().contiguous().data<double>().ToArray();
}
