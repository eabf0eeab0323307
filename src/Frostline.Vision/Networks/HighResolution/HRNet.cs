using Frostline.Staging;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// HRNet's backbone (Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019): a branch at a quarter of the
/// image's resolution from the first stage to the last, with branches of lower resolution beside it. Names are those of the published
/// checkpoints; <see cref="HRNetPose"/> and <see cref="HRNetClassifier"/> are the networks that these are of.
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c> with H and W multiples of 32. Stages: <c>stem</c>, <c>layer1</c>, <c>transition1</c>, <c>stage2</c>,
/// <c>transition2</c>, <c>stage3</c>, <c>transition3</c>, <c>stage4</c>; from <c>transition1</c> on they write a tensor for each branch,
/// <c>stage3.0</c> … <c>stage3.2</c>: branch i is <c>[N, width 2^i, H / 2^(i + 2), W / 2^(i + 2)]</c>.
/// </remarks>
public sealed class HRNet : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="width">Channels of the branch with the highest resolution, for example <see cref="HRNetWidth.W32"/>.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNet(int width, int inputChannels = 3)
        : this(new HRNetLayout(width), inputChannels)
    {
    }

    /// <summary>Creates the network in another size.</summary>
    /// <param name="layout">Its size.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNet(HRNetLayout layout, int inputChannels = 3)
        : base(nameof(HRNet))
    {
        ArgumentNullException.ThrowIfNull(layout);
        Layout = layout;
        Stages = new HRNetBody(this, layout, $"HRNet-W{layout.Width}", inputChannels, outputs: 4).Stages;
    }

    /// <summary>Its size.</summary>
    public HRNetLayout Layout { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <summary>The branch with the highest resolution, <c>stage4.0</c>. The others can be asked for by name.</summary>
    public IReadOnlyList<string> Outputs { get; } = ["stage4.0"];

    /// <summary>The last stage's branch with the highest resolution.</summary>
    /// <param name="input"><c>[N, channels, H, W]</c>.</param>
    /// <returns><c>[N, width, H / 4, W / 4]</c>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
}
