using System.Globalization;
using Frostline.Initialization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// DCPose (Liu et al., "Deep Dual Consecutive Network for Human Pose Estimation", CVPR 2021): the heatmaps of a key frame, made better by those of a
/// frame before and one behind it, with deformable convolutions of several dilations. Names and shapes of the published code (its variant
/// RSN); the HRNet is the child <c>rough_pose_estimation_net</c>, usually frozen.
/// </summary>
/// <remarks>
/// <para>
/// Reads <c>image</c> <c>[3 B, 3, H, W]</c>: of each sample its key frame, the previous and the next frame, one behind the other, sample after
/// sample, prepared as for <see cref="HRNetPose"/>. Puts out <c>heatmaps</c> <c>[B, joints, H / 4, W / 4]</c>. How many frames lie between
/// is a parameter of the network, as it says how much each neighbour counts.
/// </para>
/// <para>
/// Stages: those of the HRNet below its name (3 rows a sample); <c>difference_fusion</c> (<c>differences</c>, of the key frame's heatmaps and
/// each neighbour's); <c>support_fusion</c> (<c>supports</c>, of all three); <c>combination</c> (<c>combined</c>); <c>warping.0</c> …, one for each
/// dilation (<c>warped.0</c> …); and <c>head</c>, the mean of these.
/// </para>
/// </remarks>
public sealed class DcPose : nn.Module<Tensor, Tensor, Tensor>, IStagedNetwork, IVideoPoseNetwork
{
    private const string Title = "DCPose";
    private const string Child = "rough_pose_estimation_net";
    private const string Rough = $"{Child}.heatmaps";
    private const int Frames = 3;
    private const int Taps = 9;
    private const int CombinedChannels = 64;

    private readonly HRNetPose rough_pose_estimation_net;
    private readonly ResidualStepChain diff_temporal_fuse;
    private readonly ResidualStepChain support_temporal_fuse;
    private readonly ResidualStepChain offset_mask_combine_conv;
    private readonly ModuleSlots<Sequential> offsets_list;
    private readonly ModuleSlots<Sequential> masks_list;
    private readonly ModuleSlots<DeformableHolder> modulated_deform_conv_list;

    /// <summary>Creates the network as published, at any width; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="width">Channels of the HRNet's branch with the highest resolution; published: <see cref="HRNetWidth.W48"/>.</param>
    /// <param name="joints">How many joints; default 17.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public DcPose(int width, int joints = 17)
        : this(new DcPoseLayout(new HRNetLayout(width)) { Joints = joints })
    {
    }

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="layout">Its sizes.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public DcPose(DcPoseLayout layout)
        : base(nameof(DcPose))
    {
        ArgumentNullException.ThrowIfNull(layout);
        layout.Check(Title);
        Layout = layout;
        var joints = layout.Joints;
        rough_pose_estimation_net = new HRNetPose(layout.Backbone, joints);
        diff_temporal_fuse = new ResidualStepChain(4 * joints, 2 * joints, 2);
        support_temporal_fuse = new ResidualStepChain(3 * joints, joints, 1);
        offset_mask_combine_conv = new ResidualStepChain(3 * joints, CombinedChannels, 2);
        offsets_list = new(layout.Dilations.Select(dilation => Dilated(2 * Taps * joints, dilation)));
        masks_list = new(layout.Dilations.Select(dilation => Dilated(Taps * joints, dilation)));
        modulated_deform_conv_list = new(layout.Dilations.Select(dilation => new DeformableHolder(joints, dilation)));
        RegisterComponents();
        var warped = layout.Dilations.Select((_, i) => string.Create(CultureInfo.InvariantCulture, $"warped.{i}")).ToArray();
        Stages =
        [
            .. NestedStages.Of(Child, rough_pose_estimation_net, Frames),
            new Stage("difference_fusion", Rough, [diff_temporal_fuse], (operations, x) =>
                operations.Call(diff_temporal_fuse, Differences(operations, x)), write: "differences"),
            new Stage("support_fusion", Rough, [support_temporal_fuse], (operations, x) =>
                operations.Call(support_temporal_fuse, Supports(operations, x)), write: "supports"),
            new Stage("combination", ["differences", "supports"], ["combined"], [offset_mask_combine_conv], (operations, read) => new Bundle(
                ("combined", operations.Call(offset_mask_combine_conv, operations.Concatenate([read["differences"], read["supports"]]))))),
            .. warped.Select(Warping),
            new Stage("head", warped, ["heatmaps"], [], (operations, read) => new Bundle(("heatmaps", Mean(operations, [.. warped.Select(name => read[name])])))),
        ];
    }

    /// <summary>
    /// The published initialisation: convolutions normal with deviation 0.001 and bias 0, norms 1 and 0, deformable convolutions the identity. The
    /// HRNet is drawn so too; load it.
    /// </summary>
    public static InitializationScheme Scheme { get; } = InitializationScheme.HRNet.Named("dc-pose")
        .Add(["DeformableConvolution"], "weight", new IdentityKernel())
        .Add(["DeformableConvolution"], "bias", Constant.Zeros);

    /// <summary>Its sizes.</summary>
    public DcPoseLayout Layout { get; }

    /// <inheritdoc/>
    public int Joints => Layout.Joints;

    /// <summary>The previous and the next frame, at the distances of <see cref="DcPoseLayout"/>.</summary>
    public IReadOnlyList<int> FrameOffsets => [-Layout.PreviousDistance, Layout.NextDistance];

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; } = ["heatmaps"];

    /// <summary>The heatmaps of a batch of key frames.</summary>
    /// <param name="key">The key frames, <c>[B, 3, H, W]</c>.</param>
    /// <param name="neighbours">The previous and the next frames, <c>[B, 6, H, W]</c>.</param>
    /// <returns><c>[B, joints, H / 4, W / 4]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public override Tensor forward(Tensor key, Tensor neighbours)
    {
        using var rows = Rows(key, neighbours);
        return StagedForward.Run(this, new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["image"] = rows })["heatmaps"];
    }

    /// <summary>Key frames and their neighbours as the input <c>image</c>.</summary>
    /// <param name="key">The key frames, <c>[B, 3, H, W]</c>.</param>
    /// <param name="neighbours">The previous and the next frames, <c>[B, 6, H, W]</c>.</param>
    /// <returns><c>[3 B, 3, H, W]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public static Tensor Rows(Tensor key, Tensor neighbours) => FrameRows.Join(Title, key, neighbours, Frames - 1);

    private static Sequential Dilated(int outputs, int dilation) => nn.Sequential(
        ("0", nn.Conv2d(CombinedChannels, outputs, 3, padding: dilation, dilation: dilation, bias: false)));

    /// <summary>Joint by joint the difference to each neighbour, as it is and by the neighbour's weight.</summary>
    private Value Differences(Operations operations, Value rough)
    {
        var frames = FrameRows.Split(operations, Title, rough, Frames);
        var (before, behind) = (operations.Subtract(frames[0], frames[1]), operations.Subtract(frames[0], frames[2]));
        return JointByJoint(
            operations, [before, operations.Scale(before, Layout.PreviousWeight), behind, operations.Scale(behind, Layout.NextWeight)]);
    }

    /// <summary>Joint by joint the key frame's heatmap and each neighbour's by its weight.</summary>
    private Value Supports(Operations operations, Value rough)
    {
        var frames = FrameRows.Split(operations, Title, rough, Frames);
        return JointByJoint(
            operations, [frames[0], operations.Scale(frames[1], Layout.PreviousWeight), operations.Scale(frames[2], Layout.NextWeight)]);
    }

    /// <summary>Maps [B, J, H, W] as one [B, K J, H, W] in which those of a joint lie side by side.</summary>
    private static Value JointByJoint(Operations operations, IReadOnlyList<Value> maps)
    {
        var (joints, height, width) = (maps[0].Shape[1], maps[0].Shape[2], maps[0].Shape[3]);
        var side = maps.Select(map => operations.Reshape(map, [0, joints, 1, height * width]));
        return operations.Reshape(operations.Concatenate([.. side], 2), [0, maps.Count * joints, height, width]);
    }

    private Stage Warping(string write, int number)
    {
        var (offsets, masks, warp) = (offsets_list[number]!, masks_list[number]!, modulated_deform_conv_list[number]!);
        return new Stage(
            string.Create(CultureInfo.InvariantCulture, $"warping.{number}"), ["combined", "supports"], [write], [offsets, masks, warp],
            (operations, read) => new Bundle((write, operations.DeformableConvolution(
                warp.Convolution, read["supports"], operations.Call(offsets, read["combined"]), operations.Call(masks, read["combined"])))));
    }

    private static Value Mean(Operations operations, IReadOnlyList<Value> maps)
    {
        var shares = maps.Select(map => operations.Scale(map, 1.0 / maps.Count)).ToList();
        return shares.Skip(1).Aggregate(shares[0], operations.Add);
    }
}

/// <summary>The sizes of a <see cref="DcPose"/>.</summary>
/// <param name="Backbone">Those of its HRNet.</param>
public sealed record DcPoseLayout(HRNetLayout Backbone)
{
    /// <summary>How many joints; default PoseTrack's 17.</summary>
    public int Joints { get; init; } = 17;

    /// <summary>From tap to tap of the deformable convolutions; default 3, 6, 9, 12 and 15.</summary>
    public IReadOnlyList<int> Dilations { get; init; } = [3, 6, 9, 12, 15];

    /// <summary>How many frames before the key frame the previous one is; default 1.</summary>
    public int PreviousDistance { get; init; } = 1;

    /// <summary>How many frames behind the key frame the next one is; default 1.</summary>
    public int NextDistance { get; init; } = 1;

    // The nearer of two counts more, and both together 1.
    internal double PreviousWeight => NextDistance / (double)(PreviousDistance + NextDistance);

    internal double NextWeight => PreviousDistance / (double)(PreviousDistance + NextDistance);

    internal void Check(string title)
    {
        if (Dilations.Count == 0 || Dilations.Any(dilation => dilation < 1))
            throw new FrostlineException($"{title}: dilations of [{string.Join(", ", Dilations)}] are impossible; give at least one, each at least 1");
        if (PreviousDistance < 1 || NextDistance < 1)
            throw new FrostlineException(string.Create(
                CultureInfo.InvariantCulture, $"{title}: distances of {PreviousDistance} and {NextDistance} frames are impossible; give at least 1"));
        if (Joints < 1) throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"{title} needs at least one joint but is given {Joints}"));
    }
}

/// <summary>Holds a deformable convolution under the name <c>deform_conv</c>, as in the published checkpoints.</summary>
internal sealed class DeformableHolder : nn.Module
{
    private readonly DeformableConvolution deform_conv;

    /// <summary>Creates it.</summary>
    /// <param name="channels">Channels that it reads and puts out.</param>
    /// <param name="dilation">From tap to tap.</param>
    public DeformableHolder(int channels, int dilation)
        : base(nameof(DeformableHolder))
    {
        deform_conv = new DeformableConvolution(channels, channels, 3, padding: dilation, dilation: dilation);
        RegisterComponents();
    }

    /// <summary>The convolution.</summary>
    public DeformableConvolution Convolution => deform_conv;
}
