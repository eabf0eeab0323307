using System.Globalization;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>Which SqueezeNet.</summary>
public enum SqueezeNetVersion
{
    /// <summary>1.0, the paper's: 1.25 million parameters, 0.82 billion multiply-adds at 224 x 224.</summary>
    V1_0,

    /// <summary>1.1, the authors' later one: 1.24 million parameters, 0.35 billion multiply-adds at 224 x 224.</summary>
    V1_1,
}

/// <summary>
/// SqueezeNet (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016) with the names and the
/// architecture of torchvision, whose checkpoints load unchanged. The last layer is the convolution <c>classifier.1</c>.
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c> of at least 21 x 21 pixels (1.1: 17 x 17); puts out logits <c>[N, classes]</c>. Stages: <c>stem</c>,
/// the paper's <c>fire2</c> … <c>fire9</c> with the pools between them as stages of their own (<c>pool4</c>, <c>pool8</c>; 1.1:
/// <c>pool3</c>, <c>pool5</c>), and <c>head</c> (dropout, convolution, mean); each writes a tensor of its own name, and the head <c>logits</c>.
/// </remarks>
public sealed class SqueezeNet : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private readonly Sequential features;
    private readonly Sequential classifier;

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="version">Which one.</param>
    /// <param name="classes">How many classes; default the 1000 of ImageNet.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <param name="dropout">The probability of the head's dropout, 0…1; default 0.5.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public SqueezeNet(SqueezeNetVersion version = SqueezeNetVersion.V1_0, int classes = 1000, int inputChannels = 3, double dropout = 0.5)
        : base(nameof(SqueezeNet))
    {
        var old = version == SqueezeNetVersion.V1_0;
        var title = $"SqueezeNet {(old ? "1.0" : "1.1")}";
        ClassifierOptions.Check(title, classes, inputChannels);
        if (dropout is not (>= 0 and <= 1))
            throw new FrostlineException(string.Create(
                CultureInfo.InvariantCulture, $"{title}'s dropout is a probability from 0 to 1 but is given {dropout}"));
        Version = version;
        Classes = classes;
        features = nn.Sequential();
        classifier = nn.Sequential(
            ("0", nn.Dropout(dropout)), ("1", nn.Conv2d(512, classes, 1)), ("2", nn.ReLU()), ("3", nn.AdaptiveAvgPool2d(1)));
        var stem = old ? nn.Conv2d(inputChannels, 96, 7, 2) : nn.Conv2d(inputChannels, 64, 3, 2);
        var smallest = old ? 21 : 17;
        features.append(stem).append(nn.ReLU()).append(Pool());
        var stages = new List<Stage>
        {
            new("stem", "image", [stem], (operations, x) => operations.MaxPool(
                Window.Square(3, 2, ceiling: true), operations.ConvolutionRelu(stem, ImageInput.Check(x, title, inputChannels, smallest)))),
        };
        AddFires(stages, old ? 96 : 64, old ? [4, 8] : [3, 5]);
        stages.Add(new Stage(
            "head", stages[^1].Name, [classifier], (operations, x) => operations.Flatten(operations.Call(classifier, x)), write: "logits"));
        Stages = stages;
        RegisterComponents();
    }

    /// <summary>Which one it is.</summary>
    public SqueezeNetVersion Version { get; }

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

    private static MaxPool2d Pool() => nn.MaxPool2d(3, 2, ceil_mode: true);

    /// <summary>The paper's fire2 … fire9 and the pools behind some of them; expanded channels grow by 128 every second one.</summary>
    private void AddFires(List<Stage> stages, int inputs, int[] pooled)
    {
        for (var number = 2; number <= 9; number++)
        {
            var step = number / 2;
            var fire = new Fire(inputs, squeeze: 16 * step, expand: 64 * step);
            features.append(fire);
            stages.Add(new Stage($"fire{number}", stages[^1].Name, [fire], (operations, x) => operations.Block(fire, x)));
            inputs = 128 * step;
            if (!pooled.Contains(number)) continue;
            var pool = Pool();
            features.append(pool);
            stages.Add(new Stage($"pool{number}", stages[^1].Name, [], (operations, x) => operations.Call(pool, x)));
        }
    }
}

/// <summary>A 1 x 1 convolution to few channels, then 1 x 1 and 3 x 3 convolutions side by side; names as in torchvision.</summary>
public sealed class Fire : Block
{
    private readonly Conv2d squeeze;
    private readonly Conv2d expand1x1;
    private readonly Conv2d expand3x3;

    /// <summary>Creates the module.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="squeeze">Channels between.</param>
    /// <param name="expand">Channels of each of the two outputs; it puts out twice as many.</param>
    public Fire(int inputs, int squeeze, int expand)
        : base(nameof(Fire))
    {
        this.squeeze = nn.Conv2d(inputs, squeeze, 1);
        expand1x1 = nn.Conv2d(squeeze, expand, 1);
        expand3x3 = nn.Conv2d(squeeze, expand, 3, padding: 1);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var y = operations.ConvolutionRelu(squeeze, x);
        return operations.Concatenate([operations.ConvolutionRelu(expand1x1, y), operations.ConvolutionRelu(expand3x3, y)]);
    }
}
