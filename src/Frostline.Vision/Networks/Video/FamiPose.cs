using System.Globalization;
using Frostline.Initialization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// FAMI-Pose (Liu et al., "Temporal Feature Alignment and Mutual Information Maximization for Video-Based Human Pose Estimation", CVPR 2022): what an
/// HRNet sees in supporting frames is moved to fit the key frame, as a whole and then piece by piece, and both together give the heatmaps of
/// the key frame. Names and shapes of the published code; the HRNet is the child <c>hrnet</c>, usually frozen.
/// </summary>
/// <remarks>
/// <para>
/// Reads <c>image</c> <c>[B (1 + S), 3, H, W]</c>: of each sample its key frame and S supporting frames, one behind the other, sample after sample,
/// prepared as for <see cref="HRNetPose"/>. Puts out <c>heatmaps</c> <c>[B, joints, H / 4, W / 4]</c>.
/// </para>
/// <para>
/// Stages: <c>hrnet.stem</c> … <c>hrnet.final_layer</c>, which look at each frame alone (1 + S rows a sample); <c>global_alignment</c>, which finds a
/// <c>translation</c> <c>[B, 2 S]</c> for each supporting frame (to the right, then down, in elements of the map) and writes
/// <c>key_features</c> and <c>global_features</c>; <c>support_aggregation</c> (<c>support_features</c>); <c>combination</c>
/// (<c>combined_features</c>); <c>local_alignment.1</c> … <c>local_alignment.4</c>, modulated deformable convolutions (<c>dcn_offset_1</c>, <c>dcn_mask_1</c>,
/// <c>dcn_1</c> …, of which <c>dcn_4</c> are the aligned features); <c>aggregation</c> (<c>features</c>); <c>head</c> (<c>heatmaps</c>); and <c>information</c>,
/// which makes heatmaps of features by the HRNet's last layer for the terms of <see cref="Pose.MutualInformation"/>, and runs only where they
/// are asked for.
/// </para>
/// </remarks>
public sealed class FamiPose : nn.Module<Tensor, Tensor, Tensor>, IStagedNetwork, IVideoPoseNetwork
{
    private const string Title = "FAMI-Pose";
    private const string Child = "hrnet";
    private const int Halvings = 5;

    private readonly HRNetPose hrnet;
    private readonly Sequential feat_global_offset_layers;
    private readonly BlockChain combined_feat_layers;
    private readonly ConvolutionUnit dcn_offset_1;
    private readonly ConvolutionUnit dcn_mask_1;
    private readonly DeformableConvolution dcn_1;
    private readonly ConvolutionUnit dcn_offset_2;
    private readonly ConvolutionUnit dcn_mask_2;
    private readonly DeformableConvolution dcn_2;
    private readonly ConvolutionUnit dcn_offset_3;
    private readonly ConvolutionUnit dcn_mask_3;
    private readonly DeformableConvolution dcn_3;
    private readonly ConvolutionUnit dcn_offset_4;
    private readonly ConvolutionUnit dcn_mask_4;
    private readonly DeformableConvolution dcn_4;
    private readonly BlockChain sup_agg_block;
    private readonly BlockChain init_feature_agg_block;
    private readonly Conv2d agg_final_layer;

    /// <summary>Creates the network as published, at any width; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="width">Channels of the HRNet's branch with the highest resolution; published: <see cref="HRNetWidth.W48"/>.</param>
    /// <param name="joints">How many joints; default 17.</param>
    /// <param name="supports">How many supporting frames; default 4.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public FamiPose(int width, int joints = 17, int supports = 4)
        : this(new FamiPoseLayout(new HRNetLayout(width)) { Joints = joints, Supports = supports })
    {
    }

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="layout">Its sizes.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public FamiPose(FamiPoseLayout layout)
        : base(nameof(FamiPose))
    {
        ArgumentNullException.ThrowIfNull(layout);
        layout.Check(Title);
        Layout = layout;
        var before = (layout.Supports + 1) / 2;
        FrameOffsets = [.. Enumerable.Range(-before, layout.Supports + 1).Where(offset => offset != 0)];
        var (channels, groups) = (layout.Backbone.Width, layout.OffsetGroups);
        hrnet = new HRNetPose(layout.Backbone, layout.Joints);
        feat_global_offset_layers = GlobalOffset(layout, channels);
        combined_feat_layers = new BlockChain(2 * channels, channels, 1);
        (dcn_offset_1, dcn_mask_1, dcn_1) = Aligning(channels, groups);
        (dcn_offset_2, dcn_mask_2, dcn_2) = Aligning(channels, groups);
        (dcn_offset_3, dcn_mask_3, dcn_3) = Aligning(channels, groups);
        (dcn_offset_4, dcn_mask_4, dcn_4) = Aligning(channels, groups);
        sup_agg_block = new BlockChain(layout.Supports * channels, channels, 2);
        init_feature_agg_block = new BlockChain(2 * channels, channels, 3);
        agg_final_layer = nn.Conv2d(channels, layout.Joints, 3, padding: 1);
        RegisterComponents();
        Outputs = layout.Information ? ["heatmaps", .. InformationOutputs] : ["heatmaps"];
        Stages =
        [
            .. NestedStages.Of(Child, hrnet, 1 + layout.Supports),
            .. Alignment(),
            new Stage("aggregation", ["key_features", "dcn_4"], ["features"], [init_feature_agg_block], (operations, read) => new Bundle(
                ("features", operations.Call(init_feature_agg_block, operations.Concatenate([read["key_features"], read["dcn_4"]]))))),
            new Stage("head", "features", [agg_final_layer], (operations, x) => operations.Convolution(agg_final_layer, x), write: "heatmaps"),
            Information(),
        ];
    }

    /// <summary>
    /// The published initialisation: convolutions normal with deviation 0.001, norms 1 and 0, linear layers and deformable convolutions as PyTorch
    /// does, and every bias 0. The HRNet is drawn so too; load it.
    /// </summary>
    public static InitializationScheme Scheme { get; } = InitializationScheme.HRNet.Named("fami-pose")
        .Add(["Linear", "DeformableConvolution"], "bias", Constant.Zeros);

    /// <summary>What <see cref="Pose.MutualInformation"/> reads beside the heatmaps: features, and the heatmaps that the HRNet's last layer makes of them.</summary>
    public static IReadOnlyList<string> InformationOutputs { get; } =
    [
        "key_features", "support_features", "dcn_4", "features", "key_labels", "support_labels", "aligned_labels", "labels",
    ];

    /// <summary>Its sizes.</summary>
    public FamiPoseLayout Layout { get; }

    /// <inheritdoc/>
    public int Joints => Layout.Joints;

    /// <summary>As many frames before the key frame as behind it, one more before it where their number is odd: -2, -1, 1, 2 for four.</summary>
    public IReadOnlyList<int> FrameOffsets { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>The heatmaps of a batch of key frames.</summary>
    /// <param name="key">The key frames, <c>[B, 3, H, W]</c>.</param>
    /// <param name="supports">The supporting frames, <c>[B, 3 S, H, W]</c>, in their order: t-2, t-1, t+1, t+2.</param>
    /// <returns><c>[B, joints, H / 4, W / 4]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public override Tensor forward(Tensor key, Tensor supports)
    {
        using var rows = Rows(key, supports);
        return StagedForward.Run(this, new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["image"] = rows }, ["heatmaps"])["heatmaps"];
    }

    /// <summary>Key frames and supporting frames as the input <c>image</c>.</summary>
    /// <param name="key">The key frames, <c>[B, 3, H, W]</c>.</param>
    /// <param name="supports">The supporting frames, <c>[B, 3 S, H, W]</c>.</param>
    /// <returns><c>[B (1 + S), 3, H, W]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public Tensor Rows(Tensor key, Tensor supports) => FrameRows.Join(Title, key, supports, Layout.Supports);

    /// <summary>The difference of two maps to a translation.</summary>
    private static Sequential GlobalOffset(FamiPoseLayout layout, int channels)
    {
        const int hidden = 64;
        var width = layout.AlignmentChannels;
        var (rows, columns) = (Halved(layout.Height / 4), Halved(layout.Width / 4));
        var layers = nn.Sequential().append(new BlockChain(channels, width, 1));
        for (var i = 0; i < Halvings; i++) layers.append(new ConvolutionUnit(width, width, 3, stride: 2));
        return layers.append(nn.Flatten()).append(nn.Linear(width * rows * columns, hidden)).append(nn.Linear(hidden, hidden)).append(nn.Linear(hidden, 2));

        static int Halved(int size)
        {
            for (var i = 0; i < Halvings; i++) size = (size + 1) / 2;
            return size;
        }
    }

    private static (ConvolutionUnit Offset, ConvolutionUnit Mask, DeformableConvolution Convolution) Aligning(int channels, int groups)
    {
        const int dilation = 3, taps = 9;
        return (
            new ConvolutionUnit(channels, 2 * taps * groups, 3, dilation: dilation, norm: false, activation: false),
            new ConvolutionUnit(channels, taps * groups, 3, dilation: dilation, norm: false, activation: false),
            new DeformableConvolution(channels, channels, 3, padding: dilation, dilation: dilation));
    }

    private IEnumerable<Stage> Alignment() =>
    [
        new Stage("global_alignment", [$"{Child}.stage4.0"], ["key_features", "global_features", "translation"], [feat_global_offset_layers], AlignGlobally),
        new Stage("support_aggregation", "global_features", [sup_agg_block], (operations, x) => operations.Call(sup_agg_block, x), write: "support_features"),
        new Stage("combination", ["support_features", "key_features"], ["combined_features"], [combined_feat_layers], (operations, read) => new Bundle(
            ("combined_features", operations.Call(combined_feat_layers, operations.Concatenate([read["support_features"], read["key_features"]]))))),
        LocalAlignment(1, "combined_features", "combined_features", dcn_offset_1, dcn_mask_1, dcn_1),
        LocalAlignment(2, "dcn_1", "dcn_1", dcn_offset_2, dcn_mask_2, dcn_2),
        LocalAlignment(3, "dcn_2", "support_features", dcn_offset_3, dcn_mask_3, dcn_3),
        LocalAlignment(4, "dcn_3", "dcn_3", dcn_offset_4, dcn_mask_4, dcn_4),
    ];

    private Bundle AlignGlobally(Operations operations, Bundle read)
    {
        var features = read[$"{Child}.stage4.0"];
        if (features.Shape[2] != Layout.Height / 4 || features.Shape[3] != Layout.Width / 4)
            throw new FrostlineException(string.Create(
                CultureInfo.InvariantCulture,
                $"{Title} is made for images of {Layout.Height} x {Layout.Width} pixels (height x width) but gets some of " +
                $"{4 * features.Shape[2]} x {4 * features.Shape[3]}; give it that input size, or the images its own"));
        var frames = FrameRows.Split(operations, Title, features, 1 + Layout.Supports);
        var (translations, aligned) = (new List<Value>(), new List<Value>());
        foreach (var support in frames.Skip(1))
        {
            // One frame after the other, so that a norm in training sees the batch of one frame, as in the published code.
            translations.Add(operations.Call(feat_global_offset_layers, operations.Subtract(support, frames[0])));
            aligned.Add(operations.Translate(support, translations[^1]));
        }

        return new Bundle(
            ("key_features", frames[0]), ("global_features", operations.Concatenate(aligned)), ("translation", operations.Concatenate(translations)));
    }

    /// <summary>A deformable convolution of a map, whose offsets and mask, taken as it is, are found in another or the same.</summary>
    private static Stage LocalAlignment(
        int number, string source, string map, ConvolutionUnit offset, ConvolutionUnit mask, DeformableConvolution convolution)
    {
        string[] writes = [$"dcn_offset_{number}", $"dcn_mask_{number}", $"dcn_{number}"];
        IReadOnlyList<string> reads = source == map ? [source] : [source, map];
        return new Stage($"local_alignment.{number}", reads, writes, [offset, mask, convolution], (operations, read) =>
        {
            var (offsets, masks) = (operations.Call(offset, read[source]), operations.Call(mask, read[source]));
            return new Bundle((writes[0], offsets), (writes[1], masks), (writes[2], operations.DeformableConvolution(convolution, read[map], offsets, masks)));
        });
    }

    private Stage Information()
    {
        string[] features = ["key_features", "support_features", "dcn_4", "features"];
        string[] labels = ["key_labels", "support_labels", "aligned_labels", "labels"];
        var last = hrnet.Stages[^1];
        return new Stage("information", features, labels, [], (operations, read) => new Bundle(
            features.Zip(labels, (feature, label) => (label, last.Apply(operations, new Bundle((last.Reads[0], read[feature])))[last.Writes[0]]))));
    }
}

/// <summary>The sizes of a <see cref="FamiPose"/>.</summary>
/// <param name="Backbone">Those of its HRNet; its width is the number of channels of all alignment.</param>
public sealed record FamiPoseLayout(HRNetLayout Backbone)
{
    /// <summary>How many joints; default PoseTrack's 17.</summary>
    public int Joints { get; init; } = 17;

    /// <summary>How many supporting frames; default 4.</summary>
    public int Supports { get; init; } = 4;

    /// <summary>Rows of the images in pixels, a multiple of 32; default 384.</summary>
    public int Height { get; init; } = 384;

    /// <summary>Columns of the images in pixels, a multiple of 32; default 288.</summary>
    public int Width { get; init; } = 288;

    /// <summary>
    /// Into how many groups channels are split that share offsets and mask; default null, a quarter of the channels (at width 48: 12), or 1
    /// where 4 does not divide them.
    /// </summary>
    public int? DeformableGroups { get; init; }

    /// <summary>Channels of the layers that find a translation; default null, a third of the channels but at least 8 (at width 48: 16).</summary>
    public int? AlignmentWidth { get; init; }

    /// <summary>Whether the network puts out <see cref="FamiPose.InformationOutputs"/> too, which the loss <c>fami-pose</c> reads; default false.</summary>
    public bool Information { get; init; }

    internal int OffsetGroups => DeformableGroups ?? (Backbone.Width % 4 == 0 ? Backbone.Width / 4 : 1);

    internal int AlignmentChannels => AlignmentWidth ?? Math.Max(8, Backbone.Width / 3);

    internal void Check(string title)
    {
        Require(Supports is >= 1 and <= 64, $"{Supports} supporting frames", "give 1 to 64");
        Require(Height >= 32 && Height % 32 == 0 && Width >= 32 && Width % 32 == 0, $"an input of {Height} x {Width} pixels", "give multiples of 32");
        Require(OffsetGroups >= 1 && Backbone.Width % OffsetGroups == 0, $"{OffsetGroups} deformable groups for {Backbone.Width} channels", "give a number that divides them");
        Require(AlignmentChannels is >= 1 and <= 4096, $"an alignment width of {AlignmentChannels}", "give 1 to 4096");

        void Require(bool holds, string what, string advice)
        {
            if (!holds) throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"{title}: {what} is impossible; {advice}"));
        }
    }
}
