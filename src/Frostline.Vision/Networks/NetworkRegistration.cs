using System.Globalization;
using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Vision.Networks;

/// <summary>What a recipe may write beside a classifier's name.</summary>
public class ImageClassifierOptions
{
    /// <summary>How many classes; default as many as the training data has.</summary>
    public int? Classes { get; set; }

    /// <summary>Channels of the images; default 3.</summary>
    public int InputChannels { get; set; } = 3;

    /// <summary>The number of classes that a network is created with.</summary>
    /// <exception cref="FrostlineException">Neither the recipe nor the data says.</exception>
    internal int CountClasses(BuildContext context) => Classes ?? context.Classes?.Names.Count
        ?? throw new FrostlineException(
            "the number of classes is unknown: give the model \"classes:\", or training data that has classes");
}

/// <summary>What a recipe may write beside a SqueezeNet's name.</summary>
public sealed class SqueezeNetOptions : ImageClassifierOptions
{
    /// <summary>The probability of the head's dropout, 0 to 1; default 0.5.</summary>
    public double Dropout { get; set; } = 0.5;
}

/// <summary>What a recipe may write beside the name of a ResNet for small images.</summary>
public sealed class CifarResNetOptions : ImageClassifierOptions
{
    /// <summary>
    /// Channels of the stem and the first group, an even number; the next two have twice and four times as many. Default: 16.
    /// </summary>
    public int Width { get; set; } = 16;
}

/// <summary>Names the networks for recipes.</summary>
internal static class NetworkRegistration
{
    private static readonly int[] s_cifarDepths = [20, 32, 44, 56, 110];

    public static void Register(Catalog<torch.nn.Module> networks)
    {
        foreach (var depth in Enum.GetValues<ResNetDepth>())
        {
            var number = ((int)depth).ToString(CultureInfo.InvariantCulture);
            networks.Register<ImageClassifierOptions>(
                $"resnet{number}",
                $"ResNet-{number} for images of any size, names as in torchvision",
                (options, context) => new ResNet(depth, options.CountClasses(context), options.InputChannels));
        }

        foreach (var depth in s_cifarDepths)
        {
            var number = depth.ToString(CultureInfo.InvariantCulture);
            networks.Register<CifarResNetOptions>(
                $"cifar-resnet{number}",
                $"ResNet-{number} for images of about 32 x 32 pixels, shortcuts without parameters",
                (options, context) => new CifarResNet(depth, options.CountClasses(context), options.InputChannels, options.Width));
        }

        RegisterHRNet(networks);
        RegisterSqueezeNet(networks, "squeezenet1_0", SqueezeNetVersion.V1_0, "1.0");
        RegisterSqueezeNet(networks, "squeezenet1_1", SqueezeNetVersion.V1_1, "1.1");
    }

    private static void RegisterHRNet(Catalog<torch.nn.Module> networks)
    {
        var classifiers = new (string Name, string Title, HRNetLayout Layout)[]
        {
            ("hrnet-w18-small-v1", "HRNet-W18-small, version 1,", HRNetLayout.SmallV1),
            ("hrnet-w18-small-v2", "HRNet-W18-small, version 2,", HRNetLayout.SmallV2),
            ("hrnet-w18", "HRNet-W18", new HRNetLayout(HRNetWidth.W18)),
            ("hrnet-w32", "HRNet-W32", new HRNetLayout(HRNetWidth.W32)),
            ("hrnet-w48", "HRNet-W48", new HRNetLayout(HRNetWidth.W48)),
        };
        foreach (var (name, title, layout) in classifiers)
            networks.Register<ImageClassifierOptions>(
                name,
                $"{title} for classification, names as in the published cls_hrnet",
                (options, context) => new HRNetClassifier(layout, options.CountClasses(context), options.InputChannels));
        networks.Register<HRNetPoseOptions>(
            "hrnet-pose",
            "HRNet for human pose, names as in the published pose_hrnet",
            (options, context) => new HRNetPose(new HRNetLayout(options.Width), options.CountJoints(context), options.InputChannels, options.AllBranches));
    }

    private static void RegisterSqueezeNet(Catalog<torch.nn.Module> networks, string name, SqueezeNetVersion version, string number) =>
        networks.Register<SqueezeNetOptions>(
            name,
            $"SqueezeNet {number}, names as in torchvision; the last layer is the convolution classifier.1",
            (options, context) => new SqueezeNet(version, options.CountClasses(context), options.InputChannels, options.Dropout));
}
