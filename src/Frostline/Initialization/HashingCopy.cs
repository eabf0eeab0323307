using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>
/// Copies a tensor, hashes it and looks for values that are not finite, all in one pass. Each alone waits for the memory;
/// together they wait once. What is written goes past the caches, so that the processor does not first fetch what is overwritten.
/// </summary>
/// <remarks>
/// The hash is XXH128 with seed 0: the published algorithm for long inputs (XXH3, 128 bits, default secret), which
/// <see cref="XxHash128"/> computes too, but not while copying. Short inputs, and processors without AVX2, are left to that class.
/// </remarks>
internal static unsafe class HashingCopy
{
    private const int Stripe = 64;
    private const int StripesInBlock = 16;
    private const int SecretLength = 192;

    // XXH3 has another algorithm up to this length.
    private const int ShortInput = 240;

    private const uint Prime32A = 0x9E3779B1, Prime32B = 0x85EBCA77, Prime32C = 0xC2B2AE3D;
    private const ulong Prime64A = 0x9E3779B185EBCA87, Prime64B = 0xC2B2AE3D27D4EB4F, Prime64C = 0x165667B19E3779F9;
    private const ulong Prime64D = 0x85EBCA77C2B2AE63, Prime64E = 0x27D4EB2F165667C5;

    private static ReadOnlySpan<byte> Secret =>
    [
        0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
        0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
        0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
        0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
        0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
        0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
        0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
        0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
        0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
        0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
        0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
        0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
    ];

    /// <summary>Copies the bytes of a tensor.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="target">The address of as many bytes.</param>
    /// <param name="type">The type of the elements.</param>
    /// <param name="notFinite">How many values are infinite or no number; 0 for types other than the four floating-point ones.</param>
    /// <returns>The XXH128 of the bytes.</returns>
    public static UInt128 To(ReadOnlySpan<byte> source, byte* target, TensorType type, out long notFinite)
    {
        if (!Avx2.IsSupported || source.Length <= ShortInput || (nint)target % Vector256<byte>.Count != 0)
        {
            source.CopyTo(new Span<byte>(target, source.Length));
            notFinite = Elements.CountNotFinite(source, type);
            return XxHash128.HashToUInt128(source);
        }

        UInt128 hash;
        bool isSuspect;
        fixed (byte* from = source)
        {
            (hash, isSuspect) = type switch
            {
                TensorType.Float32 => Run<uint>(from, source.Length, target, 0x7F80_0000),
                TensorType.Float64 => Run<ulong>(from, source.Length, target, 0x7FF0_0000_0000_0000),
                TensorType.Float16 => Run<ushort>(from, source.Length, target, 0x7C00),
                TensorType.BFloat16 => Run<ushort>(from, source.Length, target, 0x7F80),
                // Other types have no such values; what is suspected of them is counted as none.
                _ => Run<ulong>(from, source.Length, target, ulong.MaxValue),
            };
        }

        notFinite = isSuspect ? Elements.CountNotFinite(source, type) : 0;
        return hash;
    }

    /// <summary>Also says whether any element has all bits of the exponent set, as infinities and NaNs have.</summary>
    private static (UInt128 Hash, bool IsSuspect) Run<T>(byte* source, int length, byte* target, T exponent)
        where T : unmanaged
    {
        var a = Vector256.Create(Prime32C, Prime64A, Prime64B, Prime64C);
        var b = Vector256.Create(Prime64D, Prime32B, Prime64E, Prime32A);
        var mask = Vector256.Create(exponent);
        var suspects = Vector256<T>.Zero;
        // The last stripe, which may overlap the one before, is apart.
        var stripes = (length - 1) / Stripe;
        fixed (byte* secret = Secret)
        {
            for (var i = 0; i < stripes;)
            {
                var key = secret;
                for (var end = Math.Min(i + StripesInBlock, stripes); i < end; i++, key += sizeof(ulong))
                {
                    var (x, y) = (Vector256.Load(source), Vector256.Load(source + 32));
                    x.StoreAlignedNonTemporal(target);
                    y.StoreAlignedNonTemporal(target + 32);
                    a = Accumulate(a, x.AsUInt64(), key);
                    b = Accumulate(b, y.AsUInt64(), key + 32);
                    suspects |= Vector256.Equals(x.As<byte, T>() & mask, mask) | Vector256.Equals(y.As<byte, T>() & mask, mask);
                    source += Stripe;
                    target += Stripe;
                }

                if (i % StripesInBlock != 0) break;
                a = Scramble(a, secret + SecretLength - Stripe);
                b = Scramble(b, secret + SecretLength - 32);
            }

            var rest = length - (stripes * Stripe);
            new ReadOnlySpan<byte>(source, rest).CopyTo(new Span<byte>(target, rest));
            source += rest - Stripe;
            var (first, second) = (Vector256.Load(source), Vector256.Load(source + 32));
            a = Accumulate(a, first.AsUInt64(), secret + SecretLength - Stripe - 7);
            b = Accumulate(b, second.AsUInt64(), secret + SecretLength - 32 - 7);
            suspects |= Vector256.Equals(first.As<byte, T>() & mask, mask) | Vector256.Equals(second.As<byte, T>() & mask, mask);
        }

        // Stores past the cache are in no order with others until a fence.
        Thread.MemoryBarrier();
        return (Merge(a, b, length), suspects != Vector256<T>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Accumulate(Vector256<ulong> sum, Vector256<ulong> data, byte* secret)
    {
        var mixed = data ^ Vector256.Load((ulong*)secret);
        var product = Avx2.Multiply(mixed.AsUInt32(), (mixed >> 32).AsUInt32());
        // Each half of 128 bits with its two words exchanged.
        return sum + Avx2.Shuffle(data.AsUInt32(), 0b01_00_11_10).AsUInt64() + product;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Scramble(Vector256<ulong> sum, byte* secret)
    {
        var mixed = sum ^ (sum >> 47) ^ Vector256.Load((ulong*)secret);
        var prime = Vector256.Create((ulong)Prime32A).AsUInt32();
        return Avx2.Multiply(mixed.AsUInt32(), prime) + (Avx2.Multiply((mixed >> 32).AsUInt32(), prime) << 32);
    }

    private static UInt128 Merge(Vector256<ulong> a, Vector256<ulong> b, int length)
    {
        Span<ulong> sums = stackalloc ulong[8];
        a.CopyTo(sums);
        b.CopyTo(sums[4..]);
        return new UInt128(
            upper: Merge(sums, Secret[(SecretLength - Stripe - 11)..], ~((ulong)length * Prime64B)),
            lower: Merge(sums, Secret[11..], (ulong)length * Prime64A));
    }

    private static ulong Merge(ReadOnlySpan<ulong> sums, ReadOnlySpan<byte> secret, ulong start)
    {
        for (var i = 0; i < 8; i += 2)
        {
            var high = Math.BigMul(
                sums[i] ^ BinaryPrimitives.ReadUInt64LittleEndian(secret[(8 * i)..]),
                sums[i + 1] ^ BinaryPrimitives.ReadUInt64LittleEndian(secret[((8 * i) + 8)..]),
                out var low);
            start += high ^ low;
        }

        start = (start ^ (start >> 37)) * 0x165667919E3779F9;
        return start ^ (start >> 32);
    }
}
