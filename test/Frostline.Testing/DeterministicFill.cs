using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>
/// Weights and inputs that any implementation can make for itself: a function of an entry's name, its shape and the index,
/// described in <c>golden/README.md</c>. With it a network's numbers can be compared without weights in a file.
/// </summary>
public static class DeterministicFill
{
    /// <summary>The gain of weights with two dimensions or more: values lie within sqrt(2.4 / fan_in).</summary>
    public const double Gain = 2.4;

    /// <summary>FNV-1a, 64 bits, of the name in UTF-8.</summary>
    public static ulong Hash(string name)
    {
        var hash = 0xcbf29ce484222325UL;
        foreach (var b in Encoding.UTF8.GetBytes(name)) hash = unchecked((hash ^ b) * 0x100000001b3UL);
        return hash;
    }

    /// <summary>The 53-bit integer of an index (SplitMix64 of the hash); times 2^-53 it is uniform in [0, 1).</summary>
    public static ulong Bits(ulong hash, long index)
    {
        var z = unchecked(hash + ((ulong)(index + 1) * 0x9E3779B97F4A7C15UL));
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        return (z ^ (z >> 31)) >> 11;
    }

    /// <summary>The values of an entry as float32, row-major.</summary>
    /// <param name="name">Its dotted name; the last part says what it is. <c>input:label</c> is a network's input.</param>
    /// <param name="shape">Its shape.</param>
    public static float[] Values(string name, params ReadOnlySpan<long> shape)
    {
        var count = 1L;
        foreach (var size in shape) count *= size;
        var (scale, offset) = Range(name, shape, count);
        var hash = Hash(name);
        var values = new float[count];
        for (var i = 0L; i < count; i++) values[i] = (float)(offset + (scale * Uniform(hash, i)));
        return values;
    }

    /// <summary>A network's input <c>inp(label, shape)</c>.</summary>
    public static Tensor Input(string label, params long[] shape) => torch.tensor(Values("input:" + label, shape), shape);

    /// <summary>
    /// Fills all parameters and persistent buffers. A float64 network gets the float32 values, widened.
    /// </summary>
    /// <returns>The network.</returns>
    public static T Fill<T>(T network)
        where T : nn.Module
    {
        using var guard = torch.no_grad();
        foreach (var (name, tensor) in NetworkEntries.Of(network))
        {
            using var scope = NewDisposeScope();
            if (name.EndsWith("num_batches_tracked", StringComparison.Ordinal)) tensor.zero_();
            else tensor.copy_(torch.tensor(Values(name, tensor.shape), tensor.shape));
        }

        return network;
    }

    private static double Uniform(ulong hash, long index) => Bits(hash, index) * (1.0 / (1UL << 53));

    private static (double Scale, double Offset) Range(string name, ReadOnlySpan<long> shape, long count)
    {
        if (name.StartsWith("input:", StringComparison.Ordinal)) return (3.0, -1.5);
        switch (name[(name.LastIndexOf('.') + 1)..])
        {
            case "weight" when shape.Length >= 2:
                var bound = Math.Sqrt(Gain / (count / (double)shape[0]));
                return (2 * bound, -bound);
            case "weight":
                return (0.5, 0.5);
            case "bias" or "running_mean":
                return (0.2, -0.1);
            case "running_var":
                return (0.8, 0.8);
            default:
                throw new ArgumentException($"the fill has no rule for \"{name}\"", nameof(name));
        }
    }
}
