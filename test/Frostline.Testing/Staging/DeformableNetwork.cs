using Frostline.Staging;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>A network that is one deformable convolution, whose offsets and mask are inputs, with what it may read.</summary>
public sealed class DeformableNetwork : nn.Module, IStagedNetwork
{
    private readonly DeformableConvolution convolution;
    private readonly long _offsetGroups;
    private readonly long _taps;

    private DeformableNetwork(DeformableConvolution convolution, long offsetGroups, bool masked)
        : base(nameof(DeformableNetwork))
    {
        this.convolution = convolution;
        (_offsetGroups, Masked) = (offsetGroups, masked);
        _taps = convolution.Weight.shape[2] * convolution.Weight.shape[3];
        Inputs = masked ? ["map", "offset", "mask"] : ["map", "offset"];
        Stages = [new Stage("convolution", Inputs, ["out"], [convolution], (operations, read) =>
            new Bundle(("out", operations.DeformableConvolution(convolution, read["map"], read["offset"], masked ? read["mask"] : null))))];
        register_module("convolution", convolution);
    }

    /// <summary>Convolutions over maps <c>[N, 12, 9, 7]</c> that between them have every property.</summary>
    public static IEnumerable<string> Names => ["square", "grouped", "strided", "flat", "one group", "many groups", "pointwise"];

    public bool Masked { get; }

    public IReadOnlyList<Stage> Stages { get; }

    public IReadOnlyList<string> Inputs { get; }

    public IReadOnlyList<string> Outputs => ["out"];

    /// <summary>The convolution of a name, its values drawn from a seed.</summary>
    public static DeformableNetwork Of(string name, ScalarType type)
    {
        random.manual_seed(5);
        var network = name switch
        {
            "square" => new DeformableNetwork(new DeformableConvolution(12, 8, 3, padding: 3, dilation: 3), 3, masked: true),
            "grouped" => new DeformableNetwork(new DeformableConvolution(12, 8, 3, padding: 1, groups: 2), 4, masked: true),
            "strided" => new DeformableNetwork(new DeformableConvolution(12, 6, 3, stride: 2, padding: 1, groups: 3, bias: false), 2, masked: true),
            "flat" => new DeformableNetwork(new DeformableConvolution(12, 5, (1, 4), (2, 1), (0, 2), (1, 2)), 6, masked: false),
            "one group" => new DeformableNetwork(new DeformableConvolution(12, 4, (2, 3), padding: (1, 0), bias: false), 1, masked: false),
            "many groups" => new DeformableNetwork(new DeformableConvolution(12, 12, 3, padding: 1, groups: 12), 12, masked: true),
            _ => new DeformableNetwork(new DeformableConvolution(12, 4, 1), 1, masked: true),
        };
        return network.to(type);
    }

    /// <summary>Its convolution.</summary>
    public DeformableConvolution Convolution => convolution;

    /// <summary>Random inputs: offsets reach 2 elements, a tenth of them far out of the map.</summary>
    public Dictionary<string, Tensor> Draw(long samples, ScalarType type)
    {
        random.manual_seed(7);
        long[] map = [samples, 12, 9, 7];
        var read = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["map"] = randn(map, type) };
        var (height, width) = convolution.OutputSize(map[2], map[3]);
        var offset = rand([samples, 2 * _offsetGroups * _taps, height, width], type).sub(tensor(0.5, type)).mul(tensor(4.0, type));
        read["offset"] = where(rand(offset.shape, type).lt(tensor(0.1, type)), offset.mul(tensor(30.0, type)), offset);
        if (Masked) read["mask"] = randn([samples, _offsetGroups * _taps, height, width], type);
        return read;
    }
}
