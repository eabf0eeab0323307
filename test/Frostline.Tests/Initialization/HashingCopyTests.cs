using System.IO.Hashing;
using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Xunit;

namespace Frostline.Tests.Initialization;

public sealed unsafe class HashingCopyTests
{
    private const int Longest = 3200;

    [Fact]
    public void Every_byte_is_copied_and_none_beside_them_wherever_they_lie()
    {
        var source = Bytes(Longest);
        using var target = new Memory(2 * Longest);
        for (var offset = 0; offset < 64; offset++)
        {
            for (var length = 0; length <= source.Length - offset; length += 131)
            {
                target.Bytes.Clear();
                HashingCopy.To(source.AsSpan(offset, length), target.Address + offset, TensorType.UInt8, out _);
                Assert.Equal(source.AsSpan(offset, length), target.Bytes.Slice(offset, length));
                Assert.False(target.Bytes[..offset].ContainsAnyExcept((byte)0));
                Assert.False(target.Bytes[(offset + length)..].ContainsAnyExcept((byte)0));
            }
        }
    }

    [Fact]
    public void The_hash_is_XXH128_for_every_length()
    {
        var source = Bytes(Longest);
        using var target = new Memory(Longest);
        for (var length = 0; length <= Longest; length++)
        {
            var hash = HashingCopy.To(source.AsSpan(0, length), target.Address, TensorType.UInt8, out _);
            Assert.Equal(XxHash128.HashToUInt128(source.AsSpan(0, length)), hash);
        }
    }

    [Theory]
    [InlineData(TensorType.Float32)]
    [InlineData(TensorType.Float64)]
    [InlineData(TensorType.Float16)]
    [InlineData(TensorType.BFloat16)]
    public void Values_that_are_not_finite_are_counted_wherever_they_stand(TensorType type)
    {
        var (count, size) = (700, type.Size());
        var source = new byte[count * size];
        using var target = new Memory(source.Length);
        HashingCopy.To(source, target.Address, type, out var none);
        Assert.Equal(0, none);
        for (var at = 0; at < count; at++)
        {
            Array.Clear(source);
            Elements.FromDouble([double.NegativeInfinity], type, source.AsSpan(at * size, size));
            Elements.FromDouble([double.NaN], type, source.AsSpan((count - 1 - at) * size, size));
            HashingCopy.To(source, target.Address, type, out var notFinite);
            Assert.Equal(2, notFinite);
        }
    }

    [Fact]
    public void Whole_numbers_are_finite_whatever_their_bits()
    {
        var source = Enumerable.Repeat((byte)0xFF, 1024).ToArray();
        using var target = new Memory(source.Length);
        HashingCopy.To(source, target.Address, TensorType.Int64, out var notFinite);
        Assert.Equal(0, notFinite);
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        var random = new CounterRandom(seed: 1, "bytes");
        for (var i = 0; i < count; i++) bytes[i] = (byte)(1 + (255 * random.NextDouble()));
        return bytes;
    }

    /// <summary>Memory that begins where tensors begin, on a multiple of 64.</summary>
    private sealed class Memory(int length) : IDisposable
    {
        public byte* Address { get; } = (byte*)NativeMemory.AlignedAlloc((nuint)length, 64);

        public Span<byte> Bytes => new(Address, length);

        public void Dispose() => NativeMemory.AlignedFree(Address);
    }
}
