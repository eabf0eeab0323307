using System.Globalization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// PoseNet (Papandreou et al., "PersonLab", ECCV 2018, as published for web browsers) on MobileNetV1 with norms folded into biases: for each joint a
/// coarse heatmap and how far the joint is from each of the heatmap's points. <see cref="Pose.PoseNetDecoder"/> makes joints of them.
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c>, RGB / 127.5 - 1, best of 16 k + 1 pixels such as 257, so that point (i, j) of the maps lies at pixel
/// (16 i, 16 j). Puts out <c>heatmap</c> <c>[N, J, h, w]</c> (before the sigmoid), <c>offset</c> <c>[N, 2 J, h, w]</c> (in pixels: down for all joints, then to
/// the right for all), <c>displacement_forward</c> and <c>displacement_backward</c> <c>[N, 2 (J - 1), h, w]</c> (along the limbs of the tree of
/// joints, for images of several people). Stages: those of <see cref="MobileNetV1"/> up to <c>block13</c>, and one for each output, of its name.
/// Parameter names are <c>features.*</c> and the outputs' names.
/// </remarks>
public sealed class PoseNet : nn.Module, IStagedNetwork, IPoseNetwork
{
    // As in its published files: the backbone ends with half of the paper's channels.
    private const int LastChannels = 512;

    private readonly Sequential features;
    private readonly Conv2d heatmap;
    private readonly Conv2d offset;
    private readonly Conv2d displacement_forward;
    private readonly Conv2d displacement_backward;

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="multiplier">By what MobileNet's numbers of channels are multiplied; default 0.75.</param>
    /// <param name="joints">How many joints, at least 2; default COCO's 17.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <param name="outputStride">Pixels of the image for one element of the maps: 32, 16 or 8; default 16.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public PoseNet(double multiplier = 0.75, int joints = 17, int inputChannels = 3, int outputStride = 16)
        : base(nameof(PoseNet))
    {
        if (joints < 2)
            throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"PoseNet needs at least two joints but is given {joints}"));
        var layers = new MobileNetFeatures("PoseNet", multiplier, inputChannels, outputStride, norms: false, LastChannels);
        (Joints, OutputStride) = (joints, outputStride);
        features = layers.Layers;
        heatmap = nn.Conv2d(layers.Channels, joints, 1);
        offset = nn.Conv2d(layers.Channels, 2 * joints, 1);
        displacement_forward = nn.Conv2d(layers.Channels, 2 * (joints - 1), 1);
        displacement_backward = nn.Conv2d(layers.Channels, 2 * (joints - 1), 1);
        RegisterComponents();
        Stages =
        [
            .. layers.Stages,
            Head("heatmap", heatmap), Head("offset", offset),
            Head("displacement_forward", displacement_forward), Head("displacement_backward", displacement_backward),
        ];

        Stage Head(string name, Conv2d convolution) =>
            new(name, layers.Output, [convolution], (operations, x) => operations.Convolution(convolution, x));
    }

    /// <inheritdoc/>
    public int Joints { get; }

    /// <summary>Pixels of the image for one element of the maps.</summary>
    public int OutputStride { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; } = ["heatmap", "offset", "displacement_forward", "displacement_backward"];

    /// <summary>The heatmaps and offsets of a batch of images, all that one person's joints need.</summary>
    /// <param name="image"><c>[N, channels, H, W]</c>.</param>
    /// <returns><c>[N, J, h, w]</c> before the sigmoid, and <c>[N, 2 J, h, w]</c> in pixels; owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public (Tensor Heatmap, Tensor Offset) forward(Tensor image)
    {
        var outputs = StagedForward.Run(this, new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["image"] = image }, ["heatmap", "offset"]);
        return (outputs["heatmap"], outputs["offset"]);
    }
}
