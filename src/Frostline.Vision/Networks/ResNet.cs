using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>Which of torchvision's residual networks; the value is the number of layers.</summary>
public enum ResNetDepth
{
    /// <summary>ResNet-18: 11.7 million parameters, 1.8 billion multiply-adds at 224 x 224.</summary>
    ResNet18 = 18,

    /// <summary>ResNet-34: 21.8 million parameters, 3.7 billion multiply-adds at 224 x 224.</summary>
    ResNet34 = 34,

    /// <summary>ResNet-50: 25.6 million parameters, 4.1 billion multiply-adds at 224 x 224.</summary>
    ResNet50 = 50,

    /// <summary>ResNet-101: 44.5 million parameters, 7.8 billion multiply-adds at 224 x 224.</summary>
    ResNet101 = 101,

    /// <summary>ResNet-152: 60.2 million parameters, 11.5 billion multiply-adds at 224 x 224.</summary>
    ResNet152 = 152,
}

/// <summary>
/// A residual network for images (He et al., "Deep residual learning for image recognition", CVPR 2016) with the names and
/// the architecture of torchvision, whose checkpoints load unchanged.
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c> of any size, in torchvision's preprocessing RGB scaled to 0…1 and normalised by mean (0.485, 0.456, 0.406)
/// and standard deviation (0.229, 0.224, 0.225); puts out logits <c>[N, classes]</c>. Stages: <c>stem</c>, <c>layer1</c> …
/// <c>layer4</c>, <c>pool</c> (the global mean, <c>[N, C, 1, 1]</c>) and <c>head</c>; each writes a tensor of its own name, and the head
/// <c>logits</c>.
/// </remarks>
public sealed class ResNet : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private static readonly int[] s_widths = [64, 128, 256, 512];

    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Sequential layer1;
    private readonly Sequential layer2;
    private readonly Sequential layer3;
    private readonly Sequential layer4;
    private readonly Linear fc;

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="depth">Which network.</param>
    /// <param name="classes">How many classes; default the 1000 of ImageNet.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is less than 1.</exception>
    public ResNet(ResNetDepth depth, int classes = 1000, int inputChannels = 3)
        : base(nameof(ResNet))
    {
        var title = $"ResNet-{(int)depth}";
        ClassifierOptions.Check(title, classes, inputChannels);
        var (blocks, bottleneck) = Layout(depth);
        var expansion = bottleneck ? Bottleneck.Expansion : BasicBlock.Expansion;
        Depth = depth;
        Classes = classes;
        conv1 = nn.Conv2d(inputChannels, 64, 7, 2, padding: 3, bias: false);
        bn1 = nn.BatchNorm2d(64);
        layer1 = Layer(bottleneck, blocks[0], 64, s_widths[0], 1);
        layer2 = Layer(bottleneck, blocks[1], s_widths[0] * expansion, s_widths[1], 2);
        layer3 = Layer(bottleneck, blocks[2], s_widths[1] * expansion, s_widths[2], 2);
        layer4 = Layer(bottleneck, blocks[3], s_widths[2] * expansion, s_widths[3], 2);
        fc = nn.Linear(s_widths[3] * expansion, classes);
        RegisterComponents();
        Stages =
        [
            new Stage("stem", "image", [conv1, bn1], (operations, x) => operations.MaxPool(
                Window.Square(3, 2, 1), operations.ConvolutionNormRelu(conv1, bn1, ImageInput.Check(x, title, inputChannels, 1)))),
            new Stage("layer1", "stem", [layer1], (operations, x) => operations.Call(layer1, x)),
            new Stage("layer2", "layer1", [layer2], (operations, x) => operations.Call(layer2, x)),
            new Stage("layer3", "layer2", [layer3], (operations, x) => operations.Call(layer3, x)),
            new Stage("layer4", "layer3", [layer4], (operations, x) => operations.Call(layer4, x)),
            new Stage("pool", "layer4", [], (operations, x) => operations.AdaptiveAveragePool(1, 1, x)),
            new Stage("head", "pool", [fc], (operations, x) => operations.Linear(fc, operations.Flatten(x)), write: "logits"),
        ];
    }

    /// <summary>Which network it is.</summary>
    public ResNetDepth Depth { get; }

    /// <summary>How many classes its logits have.</summary>
    public int Classes { get; }

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

    private static (int[] Blocks, bool Bottleneck) Layout(ResNetDepth depth) => depth switch
    {
        ResNetDepth.ResNet18 => ([2, 2, 2, 2], false),
        ResNetDepth.ResNet34 => ([3, 4, 6, 3], false),
        ResNetDepth.ResNet50 => ([3, 4, 6, 3], true),
        ResNetDepth.ResNet101 => ([3, 4, 23, 3], true),
        ResNetDepth.ResNet152 => ([3, 8, 36, 3], true),
        _ => throw new ArgumentOutOfRangeException(nameof(depth), depth, null),
    };

    private static Sequential Layer(bool bottleneck, int blocks, int inputs, int width, int stride)
    {
        var layer = nn.Sequential();
        for (var i = 0; i < blocks; i++)
        {
            var step = i == 0 ? stride : 1;
            layer.append(bottleneck ? new Bottleneck(inputs, width, step) : new BasicBlock(inputs, width, step));
            inputs = width * (bottleneck ? Bottleneck.Expansion : BasicBlock.Expansion);
        }

        return layer;
    }
}
