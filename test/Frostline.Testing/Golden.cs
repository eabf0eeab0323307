using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>Tensors of a reference file, and how near a network comes to them.</summary>
public sealed class Golden : IDisposable
{
    private readonly Checkpoint _file;

    private Golden(Checkpoint file) => _file = file;

    /// <summary>Opens a file below the fixtures' folder; skips or fails the test where it is absent.</summary>
    public static Golden Open(string relative) => new(Checkpoint.Open(Fixtures.PathOf(relative)));

    /// <summary>Whether there is a tensor of a name.</summary>
    public bool Contains(string name) => _file.TryFind(name, out _);

    /// <summary>A tensor in its own type (float32, float64 or int64).</summary>
    public Tensor this[string name]
    {
        get
        {
            var info = _file.Find(name);
            var bytes = _file.Read(name);
            long[] shape = [.. info.Shape];
            return info.Type switch
            {
                TensorType.Float32 => torch.tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), shape),
                TensorType.Float64 => torch.tensor(MemoryMarshal.Cast<byte, double>(bytes).ToArray(), shape),
                TensorType.Int64 => torch.tensor(MemoryMarshal.Cast<byte, long>(bytes).ToArray(), shape),
                _ => throw new NotSupportedException($"{name} has the type {info.Type}"),
            };
        }
    }

    /// <summary>Asserts that the largest difference is at most a part of the reference's standard deviation.</summary>
    /// <param name="name">The reference tensor.</param>
    /// <param name="actual">What was computed, in the same type.</param>
    /// <param name="tolerance">max|d| / std(reference), at the most.</param>
    public void AssertClose(string name, Tensor actual, double tolerance)
    {
        using var scope = NewDisposeScope();
        var expected = this[name];
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        var error = RelativeError(expected, actual);
        Assert.True(error <= tolerance, $"{name}: the relative error is {error:g3}, the limit {tolerance:g3}");
    }

    /// <summary>max|actual - expected| / std(expected), in float64.</summary>
    public static double RelativeError(Tensor expected, Tensor actual)
    {
        using var scope = NewDisposeScope();
        var (e, a) = (expected.detach().to(float64), actual.detach().to(float64));
        return (a - e).abs().max().Number() / e.std().Number();
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
