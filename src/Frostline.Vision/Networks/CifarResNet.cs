using System.Globalization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// A residual network for small images (He et al. 2016, section 4.2): three groups of 16, 32 and 64 channels, or of another width, with
/// parameterless shortcuts (option A). Names as in the widely used PyTorch reference of 2018 (Idelbayev, "Proper ResNet
/// implementation for CIFAR10/CIFAR100 in PyTorch"), whose checkpoints load unchanged.
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c>, usually 32 x 32; the reference trained on RGB scaled to 0…1 and normalised by torchvision's mean and
/// deviation. Puts out logits <c>[N, classes]</c>. Stages: <c>stem</c>, <c>layer1</c> … <c>layer3</c>, <c>pool</c> (the global mean,
/// <c>[N, 4 · width, 1, 1]</c>) and <c>head</c>; each writes a tensor of its own name, and the head <c>logits</c>.
/// </remarks>
public sealed class CifarResNet : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Sequential layer1;
    private readonly Sequential layer2;
    private readonly Sequential layer3;
    private readonly Linear linear;

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="depth">The number of layers, 6n + 2: 20, 32, 44, 56, 110; default 20.</param>
    /// <param name="classes">How many classes; default 10.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <param name="width">Channels of the stem and the first group, an even number; the next two have twice and four times as many; default 16.</param>
    /// <exception cref="FrostlineException">The depth is not 6n + 2, the width is odd, or a number is less than 1.</exception>
    public CifarResNet(int depth = 20, int classes = 10, int inputChannels = 3, int width = 16)
        : base(nameof(CifarResNet))
    {
        var title = string.Create(CultureInfo.InvariantCulture, $"CIFAR ResNet-{depth}");
        if (depth < 8 || depth % 6 != 2)
            throw new FrostlineException($"{title} does not exist: the depth is 6n + 2, for example 20, 32, 44, 56 or 110");
        ClassifierOptions.Check(title, classes, inputChannels);
        // The shortcut adds half of the new channels before and half behind.
        if (width is < 2 or > 4096 || width % 2 != 0)
            throw new FrostlineException($"{title}: a width of {width} is impossible; give an even number from 2 to 4096");
        var blocks = (depth - 2) / 6;
        Depth = depth;
        Classes = classes;
        conv1 = nn.Conv2d(inputChannels, width, 3, padding: 1, bias: false);
        bn1 = nn.BatchNorm2d(width);
        layer1 = Layer(blocks, width, width, 1);
        layer2 = Layer(blocks, width, 2 * width, 2);
        layer3 = Layer(blocks, 2 * width, 4 * width, 2);
        linear = nn.Linear(4 * width, classes);
        RegisterComponents();
        Stages =
        [
            new Stage("stem", "image", [conv1, bn1], (operations, x) =>
                operations.ConvolutionNormRelu(conv1, bn1, ImageInput.Check(x, title, inputChannels, 1))),
            new Stage("layer1", "stem", [layer1], (operations, x) => operations.Call(layer1, x)),
            new Stage("layer2", "layer1", [layer2], (operations, x) => operations.Call(layer2, x)),
            new Stage("layer3", "layer2", [layer3], (operations, x) => operations.Call(layer3, x)),
            new Stage("pool", "layer3", [], (operations, x) => operations.AdaptiveAveragePool(1, 1, x)),
            new Stage("head", "pool", [linear], (operations, x) => operations.Linear(linear, operations.Flatten(x)), write: "logits"),
        ];
    }

    /// <summary>The number of layers.</summary>
    public int Depth { get; }

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

    private static Sequential Layer(int blocks, int inputs, int width, int stride)
    {
        var layer = nn.Sequential();
        for (var i = 0; i < blocks; i++) layer.append(new CifarBlock(i == 0 ? inputs : width, width, i == 0 ? stride : 1));
        return layer;
    }
}

/// <summary>
/// Two 3 x 3 convolutions beside a shortcut without parameters: where the size changes, every second pixel, with zero
/// channels added equally before and behind (He et al. 2016, option A).
/// </summary>
public sealed class CifarBlock : Block
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly int _stride;
    private readonly int _added;

    /// <summary>Creates the block.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="width">Channels that it puts out: as many, or more by an even number.</param>
    /// <param name="stride">Stride of the first convolution and of the shortcut.</param>
    public CifarBlock(int inputs, int width, int stride)
        : base(nameof(CifarBlock))
    {
        _stride = stride;
        _added = (width - inputs) / 2;
        conv1 = nn.Conv2d(inputs, width, 3, stride, padding: 1, bias: false);
        bn1 = nn.BatchNorm2d(width);
        conv2 = nn.Conv2d(width, width, 3, padding: 1, bias: false);
        bn2 = nn.BatchNorm2d(width);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var y = operations.ConvolutionNormRelu(conv1, bn1, x);
        y = operations.ConvolutionNorm(conv2, bn2, y);
        if (_stride > 1) x = operations.Slice(operations.Slice(x, 2, 0, step: _stride), 3, 0, step: _stride);
        if (_added > 0) x = operations.Pad(x, [0, 0, 0, 0, _added, _added]);
        return operations.AddRelu(y, x);
    }
}
