using System.Globalization;
using Frostline.Initialization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// HRNet for human pose (Sun et al., CVPR 2019): one heatmap a joint at a quarter of the image's resolution. Names and shapes of the published
/// <c>pose_hrnet</c> checkpoints, which load unchanged; in those of wrapped models, strip <c>module.</c>
/// </summary>
/// <remarks>
/// Reads a person's crop <c>[N, 3, H, W]</c>, H and W multiples of 32 (published: 256 x 192 and 384 x 288), RGB scaled to 0…1 and normalised by
/// mean (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225). Puts out <c>heatmaps</c> <c>[N, joints, H / 4, W / 4]</c>. Stages as
/// <see cref="HRNet"/>'s, and <c>final_layer</c>; stage4 writes the branch with the highest resolution only. The published initialisation is
/// <see cref="InitializationScheme.HRNet"/>.
/// </remarks>
public sealed class HRNetPose : nn.Module<Tensor, Tensor>, IStagedNetwork, IPoseNetwork
{
    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="width">Channels of the branch with the highest resolution, for example <see cref="HRNetWidth.W32"/>.</param>
    /// <param name="joints">How many joints; default COCO's 17.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNetPose(int width, int joints = 17, int inputChannels = 3)
        : this(new HRNetLayout(width), joints, inputChannels)
    {
    }

    /// <summary>Creates the network in another size.</summary>
    /// <param name="layout">Its size.</param>
    /// <param name="joints">How many joints; default COCO's 17.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <param name="allBranches">
    /// Whether the last module of stage4 has weights for all four branches, as in checkpoints of derived video networks (78 more entries); heatmaps
    /// do not depend on them. Default: false, as published.
    /// </param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNetPose(HRNetLayout layout, int joints = 17, int inputChannels = 3, bool allBranches = false)
        : base(nameof(HRNetPose))
    {
        ArgumentNullException.ThrowIfNull(layout);
        var title = $"HRNet-W{layout.Width}";
        if (joints < 1) throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"{title} needs at least one joint but is given {joints}"));
        (Layout, Joints) = (layout, joints);
        var body = new HRNetBody(this, layout, title, inputChannels, allBranches ? 4 : 1);
        Conv2d last = nn.Conv2d(layout.Width, joints, 1);
        register_module("final_layer", last);
        Stages = [.. body.Stages, new Stage("final_layer", "stage4.0", [last], (operations, x) => operations.Convolution(last, x), write: "heatmaps")];
    }

    /// <summary>The tensors that <see cref="HeatmapsAndTaps"/> puts out beside the heatmaps, in its order.</summary>
    public static IReadOnlyList<string> Taps => HRNetBody.Taps;

    /// <summary>Its size.</summary>
    public HRNetLayout Layout { get; }

    /// <summary>How many joints, and heatmaps.</summary>
    public int Joints { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; } = ["heatmaps"];

    /// <summary>The heatmaps of a batch of crops.</summary>
    /// <param name="input"><c>[N, channels, H, W]</c>.</param>
    /// <returns><c>[N, joints, H / 4, W / 4]</c>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);

    /// <summary>
    /// The heatmaps and the highest-resolution branch after transition1, stage2, stage3 and stage4: what derived repositories return with
    /// <c>multi_scale=True</c>.
    /// </summary>
    /// <param name="input"><c>[N, channels, H, W]</c>.</param>
    /// <returns>Heatmaps <c>[N, joints, H / 4, W / 4]</c>, and four tensors <c>[N, width, H / 4, W / 4]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public (Tensor Heatmaps, IReadOnlyList<Tensor> Taps) HeatmapsAndTaps(Tensor input)
    {
        var outputs = StagedForward.Run(this, new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["image"] = input }, ["heatmaps", .. Taps]);
        return (outputs["heatmaps"], [.. Taps.Select(tap => outputs[tap])]);
    }
}
