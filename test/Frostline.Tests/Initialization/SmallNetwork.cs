using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

/// <summary>Convolution, norm, a head, and a buffer that is not persistent.</summary>
internal sealed class SmallNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d conv;
    private readonly BatchNorm2d bn;
    private readonly nn.Module? extra;
    private readonly Linear fc;

    public SmallNetwork(int classes = 3, bool withExtra = false)
        : base(nameof(SmallNetwork))
    {
        conv = nn.Conv2d(3, 4, 3, bias: false);
        bn = nn.BatchNorm2d(4);
        if (withExtra) extra = nn.Linear(4, 4);
        fc = nn.Linear(4, classes);
        register_buffer("grid", arange(5, dtype: float32), persistent: false);
        RegisterComponents();
    }

    public BatchNorm2d Norm => bn;

    public Linear Head => fc;

    public override Tensor forward(Tensor input)
    {
        using var pooled = bn.call(conv.call(input)).mean([2L, 3L]);
        return fc.call(pooled);
    }
}

/// <summary>Two linear layers that share a weight.</summary>
internal sealed class TiedNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear encoder;
    private readonly Linear decoder;

    public TiedNetwork()
        : base(nameof(TiedNetwork))
    {
        encoder = nn.Linear(4, 4);
        decoder = nn.Linear(4, 4);
        decoder.weight = encoder.weight;
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => decoder.call(encoder.call(input));
}

internal static class Networks
{
    /// <summary>All values of a network by name.</summary>
    public static Dictionary<string, byte[]> Values(nn.Module network) =>
        ModuleTree.Of(network).Tensors.ToDictionary(
            entry => entry.Name, entry => TensorBytes.Read(entry.Tensor), StringComparer.Ordinal);

    public static float[] Floats(nn.Module network, string name) =>
        ModuleTree.Of(network).Find(name)!.Tensor.detach().data<float>().ToArray();

    public static void AssertEqual(Dictionary<string, byte[]> expected, Dictionary<string, byte[]> actual, params string[] except)
    {
        Xunit.Assert.Equal(expected.Keys, actual.Keys);
        foreach (var (name, bytes) in expected)
            if (!except.Contains(name)) Xunit.Assert.True(bytes.AsSpan().SequenceEqual(actual[name]), $"{name} differs");
    }

    /// <summary>A checkpoint in memory with a network's values, some of them changed.</summary>
    public static Checkpoint Checkpoint(
        nn.Module network, Func<TensorSource, TensorSource?>? change = null, string source = "folder/small.safetensors")
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [.. ModelFile.Tensors(network).Select(change ?? (t => t)).OfType<TensorSource>()]);
        return Frostline.Checkpoints.Checkpoint.Open(stream.ToArray(), source);
    }

    /// <summary>A tensor of ones.</summary>
    public static TensorSource Ones(string name, params long[] shape)
    {
        var count = (int)shape.Aggregate(1L, (a, b) => a * b);
        return TensorSource.From(
            new TensorInfo(name, TensorType.Float32, shape),
            System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(Enumerable.Repeat(1f, count).ToArray()).ToArray());
    }
}
