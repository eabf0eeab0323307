using Frostline.Training.Jobs;
using Frostline.Training.Losses;
using Frostline.Training.Registration;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Vision.Pose;

/// <summary>Options of <see cref="FlipTest"/>.</summary>
public sealed class FlipTestOptions
{
    /// <summary>
    /// Whether the mirrored heatmaps are moved by one pixel to the right, which aligns them with the others where a network halves with even strides;
    /// default true, as published.
    /// </summary>
    public bool Shift { get; set; } = true;

    /// <summary>The network's output that is averaged: heatmaps [B, J, H, W].</summary>
    public string Output { get; set; } = "heatmaps";
}

/// <summary>
/// The mean of the heatmaps of an image and of its mirror image, those mirrored back and their left and right joints exchanged (Newell et al.,
/// "Stacked Hourglass Networks", ECCV 2016; as in HRNet's published code).
/// </summary>
public sealed class FlipTest : ITestTimeAugmentation
{
    private readonly FlipTestOptions _options;
    private readonly Skeleton _skeleton;

    /// <summary>Creates it.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="skeleton">The joints of the heatmaps, whose pairs are exchanged.</param>
    public FlipTest(FlipTestOptions options, Skeleton skeleton)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(skeleton);
        (_options, _skeleton) = (options, skeleton);
    }

    /// <summary>As a recipe creates it.</summary>
    /// <exception cref="FrostlineException">Neither the data nor the model file says which joints there are.</exception>
    internal static FlipTest Create(FlipTestOptions options, BuildContext context) => new(
        options, SkeletonFacts.Find(context) ?? throw new FrostlineException("a flip test exchanges left and right joints, and the data has no skeleton; take test-time away"));

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Run(
        Func<IReadOnlyDictionary<string, Tensor>, IReadOnlyDictionary<string, Tensor>> network,
        IReadOnlyList<string> inputs,
        IReadOnlyDictionary<string, Tensor> fields)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(fields);
        using var scope = NewDisposeScope();
        var outputs = new Dictionary<string, Tensor>(network(fields), StringComparer.Ordinal);
        var plain = outputs.Output(_options.Output, "flip-test");
        var mirrored = new Dictionary<string, Tensor>(fields, StringComparer.Ordinal);
        foreach (var name in inputs.Where(name => fields[name].dim() >= 4)) mirrored[name] = fields[name].flip([-1]);
        var back = FlipBack(network(mirrored).Output(_options.Output, "flip-test"));
        using Scalar one = 1, half = 0.5;
        outputs[_options.Output] = plain.add(back, one).mul(half);
        foreach (var tensor in outputs.Values) tensor.MoveToOuterDisposeScope();
        return outputs;
    }

    /// <summary>Heatmaps of a mirror image as those of the image: mirrored, pairs exchanged, and moved by a pixel where that is wanted.</summary>
    /// <param name="heatmaps">[B, J, H, W].</param>
    private Tensor FlipBack(Tensor heatmaps)
    {
        var joints = heatmaps.shape[1];
        if (heatmaps.dim() != 4 || joints != _skeleton.Joints.Count)
            throw new FrostlineException(
                $"a flip test reads heatmaps [B, {_skeleton.Joints.Count}, H, W], and the network puts out [{string.Join(", ", heatmaps.shape)}]");
        var order = Enumerable.Range(0, (int)joints).Select(i => (long)i).ToArray();
        foreach (var (left, right) in _skeleton.FlipPairs) (order[left], order[right]) = (right, left);
        var back = heatmaps.flip([-1]).index_select(1, tensor(order, device: heatmaps.device));
        var width = back.shape[3];
        // The first column stays as it is, as in the published code.
        return !_options.Shift || width < 2 ? back : cat([back.slice(3, 0, 1, 1), back.slice(3, 0, width - 1, 1)], 3);
    }
}
