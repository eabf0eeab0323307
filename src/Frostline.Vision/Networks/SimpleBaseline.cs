using System.Globalization;
using Frostline.Initialization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Normal = Frostline.Initialization.Normal;

namespace Frostline.Vision.Networks;

/// <summary>
/// The simple baseline of human pose estimation (Xiao, Wu and Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018): any
/// backbone, transposed convolutions that double the map's resolution, and a 1 x 1 convolution to a heatmap for each joint.
/// </summary>
/// <remarks>
/// The backbone is any staged network that reads <c>image</c>, cut behind a map. Its modules keep their names, and what lies behind the map is
/// left out: on a <see cref="ResNet"/> the names are <c>conv1</c>, <c>bn1</c>, <c>layer1</c> … <c>layer4</c>, <c>deconv_layers.*</c> and
/// <c>final_layer</c>, which are those of the published code, and the backbone's own checkpoints load without a map of names. Stages are the
/// backbone's, <c>deconv1</c>, <c>deconv2</c> … and <c>head</c>. Puts out <c>heatmaps</c> <c>[N, joints, 2^n h, 2^n w]</c>, where the map is h x w
/// and there are n transposed convolutions.
/// </remarks>
public sealed class SimpleBaseline : nn.Module<Tensor, Tensor>, IStagedNetwork, IPoseNetwork
{
    /// <summary>The channels of the transposed convolutions as published: three times 256.</summary>
    public static IReadOnlyList<int> PublishedWidths { get; } = [256, 256, 256];

    /// <summary>
    /// The published initialisation: transposed convolutions and the last one normal with deviation 0.001 and bias 0, their norms 1 and 0. The
    /// backbone, which is to be loaded, is drawn as <see cref="InitializationScheme.ResNet"/> draws.
    /// </summary>
    public static InitializationScheme Scheme { get; } = InitializationScheme.ResNet.Named("simple-baseline")
        .Add("type:ConvolutionTranspose & deconv_layers.*.weight", new Normal(0, 0.001))
        .Add("final_layer.weight", new Normal(0, 0.001))
        .Add("final_layer.bias", Constant.Zeros);

    /// <summary>Creates the network on a backbone, which it takes over: the modules it uses are its own from now on, the others are disposed.</summary>
    /// <param name="backbone">A staged network that reads <c>image</c>. It must not be used any more.</param>
    /// <param name="joints">How many joints.</param>
    /// <param name="widths">Channels of each transposed convolution, from the map on; default <see cref="PublishedWidths"/>. May be empty.</param>
    /// <param name="map">
    /// The tensor of the backbone on which the head stands, for example <c>layer4</c>; default null, the last map before the backbone's mean,
    /// and of several that a stage writes the one with the highest resolution.
    /// </param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is out of range, or the backbone has no such map.</exception>
    public SimpleBaseline(nn.Module backbone, int joints, IReadOnlyList<int>? widths = null, string? map = null, int inputChannels = 3)
        : base(nameof(SimpleBaseline))
    {
        ArgumentNullException.ThrowIfNull(backbone);
        widths ??= PublishedWidths;
        if (joints < 1) throw Wrong($"at least one joint but is given {joints}");
        if (widths.FirstOrDefault(width => width < 1, 1) is var wrong and < 1) throw Wrong($"widths of at least 1 but is given {wrong}");
        if (backbone is not IStagedNetwork { Inputs: ["image"] } staged)
            throw new FrostlineException($"a simple baseline needs a staged network that reads \"image\" as its backbone, which {backbone.GetName()} is not");
        (Map, var channels) = BackboneMap.Find(staged, map, inputChannels);
        (Joints, Widths) = (joints, [.. widths]);
        var schedule = StageSchedule.Whole(staged, [Map]);
        BackbonePart.Move(backbone, this, schedule.Stages.Select(stage => stage.Name).ToHashSet(StringComparer.Ordinal));
        var layers = nn.Sequential();
        var stages = new List<Stage>(schedule.Stages);
        var read = Map;
        foreach (var (i, width) in widths.Index())
        {
            var (convolution, norm) = (nn.ConvTranspose2d(channels, width, 4, 2, padding: 1, bias: false), nn.BatchNorm2d(width));
            layers.append(convolution).append(norm).append(nn.ReLU());
            stages.Add(new Stage($"deconv{i + 1}", read, [convolution, norm], (operations, x) => Layer(operations, layers, i, x)));
            (read, channels) = (stages[^1].Name, width);
        }

        var last = nn.Conv2d(channels, joints, 1);
        if (widths.Count > 0) register_module("deconv_layers", layers);
        register_module("final_layer", last);
        stages.Add(new Stage("head", read, [last], (operations, x) => operations.Convolution(last, x), write: "heatmaps"));
        Stages = stages;
    }

    /// <summary>The tensor of the backbone on which the head stands.</summary>
    public string Map { get; }

    /// <summary>How many joints, and heatmaps.</summary>
    public int Joints { get; }

    /// <summary>Channels of each transposed convolution.</summary>
    public IReadOnlyList<int> Widths { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; } = ["heatmaps"];

    /// <summary>The heatmaps of a batch of images.</summary>
    /// <param name="input"><c>[N, channels, H, W]</c>.</param>
    /// <returns><c>[N, joints, h, w]</c>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);

    /// <summary>A transposed convolution, a norm and ReLU of the list, which is asked anew: its norms may be exchanged.</summary>
    private static Value Layer(Operations operations, Sequential layers, int number, Value x)
    {
        nn.Module[] parts = [.. layers.children().Skip(3 * number).Take(2)];
        return operations.ConvolutionNormRelu((Convolution)parts[0], (nn.Module<Tensor, Tensor>)parts[1], x);
    }

    private static FrostlineException Wrong(string needs) => new(string.Create(CultureInfo.InvariantCulture, $"a simple baseline needs {needs}"));
}
