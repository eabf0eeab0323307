using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// Two 3 x 3 convolutions beside a shortcut (He et al., "Deep residual learning for image recognition", CVPR 2016, figure 5
/// left); names as in torchvision.
/// </summary>
public sealed class BasicBlock : Block
{
    /// <summary>Channels that it puts out, as a multiple of its width.</summary>
    public const int Expansion = 1;

    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly Sequential? downsample;

    /// <summary>Creates the block.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="width">Channels of its convolutions.</param>
    /// <param name="stride">Stride of the first convolution and of the shortcut.</param>
    /// <param name="projects">Whether the shortcut has a convolution and a norm even where it could be the identity; default false.</param>
    public BasicBlock(int inputs, int width, int stride, bool projects = false)
        : base(nameof(BasicBlock))
    {
        conv1 = nn.Conv2d(inputs, width, 3, stride, padding: 1, bias: false);
        bn1 = nn.BatchNorm2d(width);
        conv2 = nn.Conv2d(width, width, 3, padding: 1, bias: false);
        bn2 = nn.BatchNorm2d(width);
        downsample = Shortcut.Create(inputs, width * Expansion, stride, projects);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var y = operations.ConvolutionNormRelu(conv1, bn1, x);
        y = operations.ConvolutionNorm(conv2, bn2, y);
        return operations.AddRelu(y, downsample is null ? x : operations.Call(downsample, x));
    }
}

/// <summary>
/// 1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut (He et al. 2016, figure 5 right), with the stride in the 3 x 3
/// convolution as in torchvision (version 1.5); names as in torchvision.
/// </summary>
public sealed class Bottleneck : Block
{
    /// <summary>Channels that it puts out, as a multiple of its width.</summary>
    public const int Expansion = 4;

    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly Conv2d conv3;
    private readonly nn.Module<Tensor, Tensor> bn3;
    private readonly Sequential? downsample;

    /// <summary>Creates the block.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="width">Channels of the 3 x 3 convolution; it puts out four times as many.</param>
    /// <param name="stride">Stride of the 3 x 3 convolution and of the shortcut.</param>
    public Bottleneck(int inputs, int width, int stride)
        : base(nameof(Bottleneck))
    {
        conv1 = nn.Conv2d(inputs, width, 1, bias: false);
        bn1 = nn.BatchNorm2d(width);
        conv2 = nn.Conv2d(width, width, 3, stride, padding: 1, bias: false);
        bn2 = nn.BatchNorm2d(width);
        conv3 = nn.Conv2d(width, width * Expansion, 1, bias: false);
        bn3 = nn.BatchNorm2d(width * Expansion);
        downsample = Shortcut.Create(inputs, width * Expansion, stride);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var y = operations.ConvolutionNormRelu(conv1, bn1, x);
        y = operations.ConvolutionNormRelu(conv2, bn2, y);
        y = operations.ConvolutionNorm(conv3, bn3, y);
        return operations.AddRelu(y, downsample is null ? x : operations.Call(downsample, x));
    }
}

/// <summary>The projection of a residual block's shortcut.</summary>
internal static class Shortcut
{
    /// <summary>A 1 x 1 convolution and a norm, or null where the shortcut is the identity.</summary>
    public static Sequential? Create(int inputs, int outputs, int stride, bool projects = false) => inputs == outputs && stride == 1 && !projects
        ? null
        : nn.Sequential(("0", nn.Conv2d(inputs, outputs, 1, stride, bias: false)), ("1", nn.BatchNorm2d(outputs)));
}
