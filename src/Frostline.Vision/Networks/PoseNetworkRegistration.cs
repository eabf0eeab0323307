using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Pose;
using TorchSharp;

namespace Frostline.Vision.Networks;

/// <summary>What a recipe may write beside the name of a MobileNetV1.</summary>
public sealed class MobileNetV1Options : ImageClassifierOptions
{
    /// <summary>By what the paper's numbers of channels (32 … 1024) are multiplied; default 1.</summary>
    public double Multiplier { get; set; } = 1;

    /// <summary>Pixels of the image for one element of the last map: 32, 16 or 8; default 32.</summary>
    public int OutputStride { get; set; } = 32;

    /// <summary>
    /// Whether norms follow convolutions; otherwise these have biases, as in files for inference such as those of PoseNet. Default: true.
    /// </summary>
    public bool Norms { get; set; } = true;

    /// <summary>Channels of the last two blocks before they are multiplied; PoseNet's have 512. Default: 1024, as in the paper.</summary>
    public int LastChannels { get; set; } = MobileNetFeatures.PublishedLastChannels;
}

/// <summary>What a recipe may write beside the name of a PoseNet.</summary>
public sealed class PoseNetOptions : PoseNetworkOptions
{
    /// <summary>By what MobileNet's numbers of channels (32 … 1024) are multiplied; default 0.75.</summary>
    public double Multiplier { get; set; } = 0.75;

    /// <summary>Pixels of the image for one element of the maps: 32, 16 or 8; default 16.</summary>
    public int OutputStride { get; set; } = 16;
}

/// <summary>What a recipe may write beside the name of a simple baseline.</summary>
public sealed class SimpleBaselineOptions
{
    /// <summary>The network whose first stages are the backbone, with its options; what lies behind the map, such as a classifier's head, is left out.</summary>
    [RequiredKey]
    public CatalogItem<torch.nn.Module>? Backbone { get; set; }

    /// <summary>
    /// The backbone's tensor on which the head stands, for example layer4. Default: the last map before the mean, of several the one of the
    /// highest resolution.
    /// </summary>
    public string? Map { get; set; }

    /// <summary>Channels of each transposed convolution, each of which doubles the resolution. Default: 256, 256, 256.</summary>
    public IReadOnlyList<int> Widths { get; set; } = SimpleBaseline.PublishedWidths;

    /// <summary>How many joints; default as many as the training data has.</summary>
    public int? Joints { get; set; }
}

/// <summary>What a recipe may write beside the name of a FAMI-Pose.</summary>
public sealed class FamiPoseOptions
{
    /// <summary>How many joints; default as many as the training data has.</summary>
    public int? Joints { get; set; }

    /// <summary>Channels of the HRNet's branch with the highest resolution; 48 is the published one, any other is possible. Default: 48.</summary>
    public int Width { get; set; } = HRNetWidth.W48;

    /// <summary>How many supporting frames; default 4.</summary>
    public int Supports { get; set; } = 4;

    /// <summary>Rows of the images in pixels, a multiple of 32; default 384.</summary>
    public int InputHeight { get; set; } = 384;

    /// <summary>Columns of the images in pixels, a multiple of 32; default 288.</summary>
    public int InputWidth { get; set; } = 288;

    /// <summary>
    /// Into how many groups channels are split that share offsets and mask of the deformable convolutions; default a quarter of the width.
    /// </summary>
    public int? DeformableGroups { get; set; }

    /// <summary>Channels of the layers that find a translation; default a third of the width, at least 8.</summary>
    public int? AlignmentWidth { get; set; }

    /// <summary>Whether the network puts out the features that the loss fami-pose reads; default false.</summary>
    public bool Information { get; set; }

    internal FamiPoseLayout LayoutOf(BuildContext context) => new(new HRNetLayout(Width))
    {
        Joints = new PoseNetworkOptions { Joints = Joints }.CountJoints(context),
        Supports = Supports,
        Height = InputHeight,
        Width = InputWidth,
        DeformableGroups = DeformableGroups,
        AlignmentWidth = AlignmentWidth,
        Information = Information,
    };
}

/// <summary>What a recipe may write beside the name of a DCPose.</summary>
public sealed class DcPoseOptions
{
    /// <summary>How many joints; default as many as the training data has.</summary>
    public int? Joints { get; set; }

    /// <summary>Channels of the HRNet's branch with the highest resolution; 48 is the published one, any other is possible. Default: 48.</summary>
    public int Width { get; set; } = HRNetWidth.W48;

    /// <summary>From tap to tap of the deformable convolutions. Default: 3, 6, 9, 12, 15.</summary>
    public IReadOnlyList<int> Dilations { get; set; } = [3, 6, 9, 12, 15];

    /// <summary>How many frames before the key frame the previous one is; default 1.</summary>
    public int PreviousDistance { get; set; } = 1;

    /// <summary>How many frames behind the key frame the next one is; default 1.</summary>
    public int NextDistance { get; set; } = 1;

    internal DcPoseLayout LayoutOf(BuildContext context) => new(new HRNetLayout(Width))
    {
        Joints = new PoseNetworkOptions { Joints = Joints }.CountJoints(context),
        Dilations = Dilations,
        PreviousDistance = PreviousDistance,
        NextDistance = NextDistance,
    };
}

/// <summary>Names networks of pose, their initialisations and losses for recipes.</summary>
internal static class PoseNetworkRegistration
{
    public static void Register(Registry registry)
    {
        registry.Networks.Register<MobileNetV1Options>(
            "mobilenet-v1", "MobileNet, version 1, with a multiplier of its widths",
            (options, context) => new MobileNetV1(
                options.Multiplier, options.CountClasses(context), options.InputChannels, options.OutputStride, options.Norms, options.LastChannels));
        registry.Networks.Register<PoseNetOptions>(
            "posenet", "PoseNet on MobileNetV1, for heatmaps with offsets",
            (options, context) => new PoseNet(options.Multiplier, options.CountJoints(context), options.InputChannels, options.OutputStride));
        registry.Networks.Register<SimpleBaselineOptions>(
            "simple-baseline", "heatmaps by transposed convolutions on a backbone, names as in the published code", CreateBaseline);
        registry.Networks.Register<FamiPoseOptions>(
            "fami-pose", "FAMI-Pose: heatmaps of a key frame from it and supporting frames, names as in the published code",
            (options, context) => new FamiPose(options.LayoutOf(context)));
        registry.Networks.Register<DcPoseOptions>(
            "dc-pose", "DCPose: heatmaps of a key frame from it, the previous and the next frame, names as in the published code",
            (options, context) => new DcPose(options.LayoutOf(context)));
        foreach (var scheme in new[] { SimpleBaseline.Scheme, FamiPose.Scheme, DcPose.Scheme })
            registry.Schemes.Register<NoOptions>(scheme.Name, $"the initialisation of {scheme.Name}, layer by layer", (_, _) => scheme);
        registry.Losses.Register<FamiPoseLossOptions>(
            "fami-pose", "the heatmaps' squared error, and terms of mutual information between features of frames", (options, _) => new FamiPoseLoss(options));
    }

    private static SimpleBaseline CreateBaseline(SimpleBaselineOptions options, BuildContext context)
    {
        var joints = new PoseNetworkOptions { Joints = options.Joints }.CountJoints(context);

        // The classifier's head, which is left out, has as many classes as costs least.
        var backbone = options.Backbone!.Create(new BuildContext
        {
            Folder = context.Folder,
            Seed = context.Seed,
            Classes = context.Classes ?? new ClassMap(["none"]),
            Facts = context.Facts,
        });
        var channels = options.Backbone.Options switch
        {
            ImageClassifierOptions classifier => classifier.InputChannels,
            PoseNetworkOptions pose => pose.InputChannels,
            _ => 3,
        };
        return new SimpleBaseline(backbone, joints, options.Widths, options.Map, channels);
    }
}
