using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>
/// A ResNet-50 as it is written in plain TorchSharp, with PyTorch's names: activations in place, and every tensor disposed as soon as
/// nothing reads it any more.
/// </summary>
internal sealed class PlainResNet : nn.Module<Tensor, Tensor>, IPlainNetwork
{
    private readonly Conv2d conv1;
    private readonly BatchNorm2d bn1;
    private readonly MaxPool2d maxpool;
    private readonly Sequential layer1;
    private readonly Sequential layer2;
    private readonly Sequential layer3;
    private readonly Sequential layer4;
    private readonly AdaptiveAvgPool2d avgpool;
    private readonly Linear fc;

    public PlainResNet(int classes)
        : base(nameof(PlainResNet))
    {
        conv1 = nn.Conv2d(3, 64, 7, stride: 2, padding: 3, bias: false);
        bn1 = nn.BatchNorm2d(64);
        maxpool = nn.MaxPool2d(3, stride: 2, padding: 1);
        layer1 = Layer(3, 64, 64, 1);
        layer2 = Layer(4, 256, 128, 2);
        layer3 = Layer(6, 512, 256, 2);
        layer4 = Layer(3, 1024, 512, 2);
        avgpool = nn.AdaptiveAvgPool2d(1);
        fc = nn.Linear(2048, classes);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public nn.Module LastLayer => layer4;

    /// <inheritdoc/>
    public nn.Module<Tensor, Tensor> Head => fc;

    public override Tensor forward(Tensor input)
    {
        using var features = Features(input);
        return fc.call(features);
    }

    /// <summary>What the head reads, [N, 2048].</summary>
    public Tensor Features(Tensor images)
    {
        var x = conv1.call(images).Then(bn1.call).relu_().Then(maxpool.call);
        foreach (var block in layer1.children().Concat(layer2.children()).Concat(layer3.children()).Concat(layer4.children()))
            x = x.Then(((PlainBottleneck)block).call);
        return x.Then(avgpool.call).Then(pooled => pooled.flatten(1));
    }

    private static Sequential Layer(int blocks, int inputs, int width, int stride) => nn.Sequential(
        Enumerable.Range(0, blocks).Select(i => (nn.Module<Tensor, Tensor>)new PlainBottleneck(i == 0 ? inputs : 4 * width, width, i == 0 ? stride : 1)));
}

/// <summary>1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut.</summary>
internal sealed class PlainBottleneck : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d conv1;
    private readonly BatchNorm2d bn1;
    private readonly Conv2d conv2;
    private readonly BatchNorm2d bn2;
    private readonly Conv2d conv3;
    private readonly BatchNorm2d bn3;
    private readonly Sequential? downsample;
    private readonly int _stride;

    public PlainBottleneck(int inputs, int width, int stride)
        : base(nameof(PlainBottleneck))
    {
        _stride = stride;
        conv1 = nn.Conv2d(inputs, width, 1, bias: false);
        bn1 = nn.BatchNorm2d(width);
        conv2 = nn.Conv2d(width, width, 3, stride: stride, padding: 1, bias: false);
        bn2 = nn.BatchNorm2d(width);
        conv3 = nn.Conv2d(width, 4 * width, 1, bias: false);
        bn3 = nn.BatchNorm2d(4 * width);
        if (stride > 1 || inputs != 4 * width) downsample = nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, bias: false), nn.BatchNorm2d(4 * width));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using Scalar one = 1;
        var y = conv1.call(input).Then(bn1.call).relu_().Then(conv2.call).Then(bn2.call).relu_().Then(conv3.call).Then(bn3.call);
        if (downsample is null) return y.add_(input, one).relu_();
        using var shortcut = _stride == 1 ? downsample.call(input) : Strided(input).Then(downsample.call);
        return y.add_(shortcut, one).relu_();
    }

    /// <summary>
    /// Every second row and column, before a convolution of stride 1: what a 1 x 1 convolution of stride 2 is. The backward of that one ends
    /// the process on some processors (a division by zero in oneDNN, pytorch issue 177227).
    /// </summary>
    private Tensor Strided(Tensor input) =>
        input.slice(2, 0, input.shape[2], _stride).Then(rows => rows.slice(3, 0, input.shape[3], _stride)).Then(view => view.contiguous());
}

/// <summary>A network whose head alone, or whose last layer and head, can be trained.</summary>
internal interface IPlainNetwork
{
    /// <summary>What is trained beside the head where the last layer is.</summary>
    nn.Module LastLayer { get; }

    /// <summary>The head, from features to the output.</summary>
    nn.Module<Tensor, Tensor> Head { get; }

    /// <summary>What the head reads.</summary>
    /// <param name="images">[N, 3, H, W].</param>
    Tensor Features(Tensor images);
}

/// <summary>Chains layers.</summary>
internal static class Chaining
{
    /// <summary>Computes from a tensor that nothing else needs, and disposes it; where gradients pass, libtorch keeps what they need.</summary>
    public static Tensor Then(this Tensor input, Func<Tensor, Tensor> next)
    {
        var output = next(input);
        input.Dispose();
        return output;
    }
}
