using System.Globalization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// MobileNet (Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017): convolutions taken apart
/// into one of each channel and one over channels, ReLU6 after each, in 13 blocks; here with norms, or with norms folded into biases as in
/// published files for inference (<see cref="PoseNet"/>'s).
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c> of any size, in its authors' preprocessing RGB / 127.5 - 1; puts out logits <c>[N, classes]</c>. Stages:
/// <c>stem</c>, <c>block1</c> … <c>block13</c>, <c>pool</c> (the global mean) and <c>head</c>; each writes a tensor of its own name, and the head
/// <c>logits</c>. Layers are <c>features.0</c> (a convolution; with norms, a list of a convolution and a norm), <c>features.1</c> …
/// <c>features.13</c> (<see cref="SeparableConvolution"/>) and <c>classifier</c>.
/// </remarks>
public sealed class MobileNetV1 : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private readonly Sequential features;
    private readonly Linear classifier;

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="multiplier">By what the paper's numbers of channels (32 … 1024) are multiplied, for example 0.75; default 1.</param>
    /// <param name="classes">How many classes; default the 1000 of ImageNet.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <param name="outputStride">Pixels of the image for one element of the last map: 32, 16 or 8; default 32.</param>
    /// <param name="norms">Whether norms follow convolutions; otherwise these have biases. Default: true.</param>
    /// <param name="lastChannels">Channels of the last two blocks before they are multiplied; default the paper's 1024. PoseNet's have 512.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public MobileNetV1(
        double multiplier = 1, int classes = 1000, int inputChannels = 3, int outputStride = 32, bool norms = true,
        int lastChannels = MobileNetFeatures.PublishedLastChannels)
        : base(nameof(MobileNetV1))
    {
        var layers = new MobileNetFeatures("MobileNetV1", multiplier, inputChannels, outputStride, norms, lastChannels);
        ClassifierOptions.Check("MobileNetV1", classes, inputChannels);
        (Multiplier, Classes, OutputStride) = (multiplier, classes, outputStride);
        features = layers.Layers;
        classifier = nn.Linear(layers.Channels, classes);
        RegisterComponents();
        Stages =
        [
            .. layers.Stages,
            new Stage("pool", layers.Output, [], (operations, x) => operations.AdaptiveAveragePool(1, 1, x)),
            new Stage("head", "pool", [classifier], (operations, x) => operations.Linear(classifier, operations.Flatten(x)), write: "logits"),
        ];
    }

    /// <summary>By what the paper's numbers of channels are multiplied.</summary>
    public double Multiplier { get; }

    /// <summary>How many classes its logits have.</summary>
    public int Classes { get; }

    /// <summary>Pixels of the image for one element of the last map.</summary>
    public int OutputStride { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; } = ["logits"];

    /// <summary>The logits of a batch of images.</summary>
    /// <param name="input"><c>[N, channels, H, W]</c>.</param>
    /// <returns><c>[N, classes]</c>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
}

/// <summary>The layers of MobileNet before its head, for networks of which they are a part, with the stages <c>stem</c> and <c>block1</c> … <c>block13</c>.</summary>
internal sealed class MobileNetFeatures
{
    // The paper's table 1: channels that each block puts out, and the blocks that halve the map.
    private static readonly int[] s_channels = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512];
    private static readonly int[] s_halving = [2, 4, 6, 12];

    /// <summary>Channels of the last two blocks in the paper.</summary>
    public const int PublishedLastChannels = 1024;

    /// <summary>Creates the layers.</summary>
    /// <param name="title">The network's name for messages.</param>
    /// <param name="multiplier">By what the paper's numbers of channels are multiplied.</param>
    /// <param name="inputChannels">Channels of the images.</param>
    /// <param name="outputStride">Pixels of the image for one element of the last map.</param>
    /// <param name="norms">Whether norms follow convolutions; otherwise these have biases.</param>
    /// <param name="lastChannels">Channels of the last two blocks before they are multiplied.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public MobileNetFeatures(string title, double multiplier, int inputChannels, int outputStride, bool norms, int lastChannels)
    {
        if (multiplier is not (> 0 and <= 16) || Scaled(32, multiplier) < 1)
            throw new FrostlineException(string.Create(
                CultureInfo.InvariantCulture, $"{title}: a multiplier of {multiplier} is impossible; give a number from 0.05 to 16, for example 0.75"));
        if (outputStride is not (8 or 16 or 32))
            throw new FrostlineException(string.Create(
                CultureInfo.InvariantCulture, $"{title}: an output stride of {outputStride} is impossible; give 32, 16 or 8"));
        ClassifierOptions.Check(title, 1, inputChannels);
        if (lastChannels is < 32 or > 1 << 16)
            throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"{title}: {lastChannels} last channels are impossible; give at least 32"));
        var channels = Scaled(32, multiplier);
        int[] widths = [.. s_channels, lastChannels, lastChannels];
        var stem = nn.Conv2d(inputChannels, channels, 3, 2, padding: 1, bias: !norms);
        nn.Module<Tensor, Tensor> first = norms ? nn.Sequential(("0", stem), ("1", nn.BatchNorm2d(channels)), ("2", nn.ReLU6())) : stem;
        Layers = nn.Sequential().append(first);
        var stages = new List<Stage>
        {
            new("stem", "image", [first], (operations, x) =>
            {
                var y = operations.Call(first, ImageInput.Check(x, title, inputChannels, 1));
                return norms ? y : operations.Activation(ActivationKind.Relu6, y);
            }),
        };
        var stride = 2;
        for (var number = 1; number <= widths.Length; number++)
        {
            var halves = s_halving.Contains(number) && stride < outputStride;
            if (halves) stride *= 2;
            var block = new SeparableConvolution(channels, Scaled(widths[number - 1], multiplier), halves ? 2 : 1, norms);
            channels = Scaled(widths[number - 1], multiplier);
            Layers.append(block);
            stages.Add(new Stage($"block{number}", stages[^1].Name, [block], (operations, x) => operations.Block(block, x)));
        }

        (Stages, Channels) = (stages, channels);
    }

    /// <summary>All layers in order.</summary>
    public Sequential Layers { get; }

    /// <summary>Their stages.</summary>
    public IReadOnlyList<Stage> Stages { get; }

    /// <summary>Channels of the last map.</summary>
    public int Channels { get; }

    /// <summary>The name of the last map.</summary>
    public string Output => Stages[^1].Name;

    private static int Scaled(int channels, double multiplier) => (int)(channels * multiplier);
}

/// <summary>A 3 x 3 convolution of each channel, then a 1 x 1 convolution over channels, each followed by a norm, if there are norms, and ReLU6.</summary>
public sealed class SeparableConvolution : Block
{
    private readonly Conv2d depthwise;
    private readonly nn.Module<Tensor, Tensor>? depthwise_bn;
    private readonly Conv2d pointwise;
    private readonly nn.Module<Tensor, Tensor>? pointwise_bn;

    /// <summary>Creates the block.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="outputs">Channels that it puts out.</param>
    /// <param name="stride">Stride of the 3 x 3 convolution.</param>
    /// <param name="norms">Whether norms follow; otherwise the convolutions have biases. Default: true.</param>
    public SeparableConvolution(int inputs, int outputs, int stride, bool norms = true)
        : base(nameof(SeparableConvolution))
    {
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding: 1, groups: inputs, bias: !norms);
        depthwise_bn = norms ? nn.BatchNorm2d(inputs) : null;
        pointwise = nn.Conv2d(inputs, outputs, 1, bias: !norms);
        pointwise_bn = norms ? nn.BatchNorm2d(outputs) : null;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        return Step(operations, pointwise, pointwise_bn, Step(operations, depthwise, depthwise_bn, x));
    }

    private static Value Step(Operations operations, Conv2d convolution, nn.Module<Tensor, Tensor>? norm, Value x)
    {
        var y = operations.Convolution(convolution, x);
        return operations.Activation(ActivationKind.Relu6, norm is null ? y : operations.Norm(norm, y));
    }
}
