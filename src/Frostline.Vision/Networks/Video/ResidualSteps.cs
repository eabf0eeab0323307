using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// A residual steps block (Cai et al., "Learning delicate local representations for multi-person pose estimation", ECCV 2020): channels are split
/// into four branches of one, two, three and four 3 x 3 convolutions, each of which also reads what the branch before it has put out at the
/// same place.
/// </summary>
internal sealed class ResidualStepBlock : Block
{
    private const int Branches = 4;

    private readonly ConvolutionUnit conv_bn_relu1;
    private readonly ConvolutionUnit[][] _steps;
    private readonly ConvolutionUnit conv_bn_relu3;
    private readonly ConvolutionUnit? downsample;
    private readonly int _channels;

    /// <summary>Creates the block.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="outputs">Channels that it puts out.</param>
    /// <param name="projects">Whether its shortcut has a convolution and a norm.</param>
    public ResidualStepBlock(int inputs, int outputs, bool projects)
        : base(nameof(ResidualStepBlock))
    {
        // The paper's 26 of 64 channels.
        _channels = Math.Max(1, inputs * 26 / 64);
        conv_bn_relu1 = new ConvolutionUnit(inputs, Branches * _channels, 1);
        _steps = [.. Enumerable.Range(1, Branches).Select(count => Enumerable.Range(0, count).Select(_ => new ConvolutionUnit(_channels, _channels, 3)).ToArray())];
        conv_bn_relu3 = new ConvolutionUnit(Branches * _channels, outputs, 1, activation: false);
        downsample = projects ? new ConvolutionUnit(inputs, outputs, 1, activation: false) : null;
        register_module(nameof(conv_bn_relu1), conv_bn_relu1);
        for (var branch = 0; branch < Branches; branch++)
            for (var step = 0; step <= branch; step++) register_module($"conv_bn_relu2_{branch + 1}_{step + 1}", _steps[branch][step]);
        register_module(nameof(conv_bn_relu3), conv_bn_relu3);
        if (downsample is not null) register_module(nameof(downsample), downsample);
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var split = operations.Call(conv_bn_relu1, x);
        var above = new List<Value>();
        var ends = new List<Value>();
        for (var branch = 0; branch < Branches; branch++)
        {
            var y = operations.Slice(split, 1, branch * _channels, (branch + 1) * _channels);
            var steps = new List<Value>();
            for (var step = 0; step <= branch; step++)
            {
                if (step < above.Count) y = operations.Add(y, above[step]);
                steps.Add(y = operations.Call(_steps[branch][step], y));
            }

            above = steps;
            ends.Add(y);
        }

        var joined = operations.Call(conv_bn_relu3, operations.Concatenate(ends));
        return operations.AddRelu(joined, downsample is null ? x : operations.Call(downsample, x));
    }
}

/// <summary>Residual steps blocks in a row, the first of which projects its shortcut; names <c>layers.0</c>, <c>layers.1</c> ….</summary>
internal sealed class ResidualStepChain : Block
{
    private readonly Sequential layers;

    /// <summary>Creates the chain.</summary>
    /// <param name="inputs">Channels that it reads.</param>
    /// <param name="outputs">Channels that it puts out.</param>
    /// <param name="blocks">How many blocks, at least 1.</param>
    public ResidualStepChain(int inputs, int outputs, int blocks)
        : base(nameof(ResidualStepChain))
    {
        layers = nn.Sequential();
        for (var i = 0; i < blocks; i++) layers.append(new ResidualStepBlock(i == 0 ? inputs : outputs, outputs, projects: i == 0));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Value Apply(Operations operations, Value x)
    {
        ArgumentNullException.ThrowIfNull(operations);
        return operations.Call(layers, x);
    }
}
