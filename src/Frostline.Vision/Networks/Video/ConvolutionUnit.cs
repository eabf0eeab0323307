using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>A convolution with a bias, then a norm and an activation where they are wanted; names <c>conv</c> and <c>bn</c>.</summary>
internal sealed class ConvolutionUnit : Block
{
    private readonly Conv2d conv;
    private readonly nn.Module<Tensor, Tensor>? bn;
    private readonly bool _activates;

    /// <summary>Creates the unit; maps keep their size at stride 1.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="outputs">Channels that it puts out.</param>
    /// <param name="kernel">Rows and columns of the kernel, an odd number.</param>
    /// <param name="stride">From window to window; default 1.</param>
    /// <param name="dilation">From tap to tap; default 1.</param>
    /// <param name="norm">Whether a norm follows; default true.</param>
    /// <param name="activation">Whether ReLU follows; default true.</param>
    public ConvolutionUnit(int inputs, int outputs, int kernel, int stride = 1, int dilation = 1, bool norm = true, bool activation = true)
        : base(nameof(ConvolutionUnit))
    {
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding: kernel / 2 * dilation, dilation: dilation);
        bn = norm ? nn.BatchNorm2d(outputs) : null;
        _activates = activation;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        return (bn, _activates) switch
        {
            (null, false) => operations.Convolution(conv, x),
            (null, true) => operations.ConvolutionRelu(conv, x),
            ({ } norm, false) => operations.ConvolutionNorm(conv, norm, x),
            ({ } norm, true) => operations.ConvolutionNormRelu(conv, norm, x),
        };
    }
}

/// <summary>Residual blocks in a row, the first of which projects its shortcut; names <c>layers.0</c>, <c>layers.1</c> ….</summary>
internal sealed class BlockChain : Block
{
    private readonly Sequential layers;

    /// <summary>Creates the chain.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="width">Channels that it puts out.</param>
    /// <param name="blocks">How many blocks, at least 1.</param>
    public BlockChain(int inputs, int width, int blocks)
        : base(nameof(BlockChain))
    {
        layers = nn.Sequential();
        for (var i = 0; i < blocks; i++) layers.append(new BasicBlock(i == 0 ? inputs : width, width, 1, projects: i == 0));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        return operations.Call(layers, x);
    }
}
