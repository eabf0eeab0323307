using System.Numerics;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>A tensor in a file of TorchSharp.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its elements; null where it is none that can be read (complex numbers).</param>
/// <param name="Shape">Its sizes.</param>
/// <param name="Start">Where its elements begin.</param>
internal sealed record TorchSharpEntry(string Name, TensorType? Type, long[] Shape, long Start);

/// <summary>
/// The layout of TorchSharp's own files. <c>Module.save</c> writes the number of tensors, and for each its name (its length, UTF-8),
/// the number of its type, its rank, its sizes and its elements, row-major and little-endian; <c>Tensor.Save</c> writes the same of one
/// tensor, without number and name. Numbers are in LEB128: seven bits a byte, the lowest first.
/// </summary>
/// <remarks>
/// The format has no magic number, so a file is one of these only if all of it is: from the first byte, by plausible names, known types
/// and sizes, exactly to the last. Elements are passed over, so that the work is in proportion to the number of tensors.
/// </remarks>
internal static class TorchSharpIndex
{
    private const int LongestName = 1024;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads names, types and shapes.</summary>
    /// <param name="bytes">The file.</param>
    /// <returns>The tensors in the order of the file; null where it is something else.</returns>
    public static List<TorchSharpEntry>? Read(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        return ReadModule(lease) ?? ReadTensor(lease);
    }

    /// <summary>Whether a file that <see cref="Read"/> does not take begins as one that was cut short would: with a dotted name.</summary>
    public static bool Begins(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        long at = 0;
        return ReadNumber(lease, ref at) > 0 && ReadName(lease, ref at) is { } name && name.Contains('.', StringComparison.Ordinal)
            && ReadHeader(lease, ref at, name, out _) is not null;
    }

    private static List<TorchSharpEntry>? ReadModule(in ByteLease lease)
    {
        long at = 0;
        var count = ReadNumber(lease, ref at);
        // A name of one character, a type and a rank take four bytes.
        if (count <= 0 || count > lease.Length / 4) return null;
        var entries = new List<TorchSharpEntry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (; count > 0; count--)
        {
            if (ReadName(lease, ref at) is not { } name || !names.Add(name)) return null;
            if (ReadEntry(lease, ref at, name) is not { } entry) return null;
            entries.Add(entry);
        }

        return at == lease.Length ? entries : null;
    }

    private static List<TorchSharpEntry>? ReadTensor(in ByteLease lease)
    {
        long at = 0;
        // A tensor of no elements would be two or three bytes, which are too few to tell.
        return ReadEntry(lease, ref at, TensorTree.SingleName) is { } entry && entry.Start < at && at == lease.Length ? [entry] : null;
    }

    private static TorchSharpEntry? ReadEntry(in ByteLease lease, ref long at, string name)
    {
        if (ReadHeader(lease, ref at, name, out var size) is not { } entry || size > lease.Length - at) return null;
        at += size;
        return entry;
    }

    private static TorchSharpEntry? ReadHeader(in ByteLease lease, ref long at, string name, out long size)
    {
        size = 0;
        if (TypeOf(ReadNumber(lease, ref at)) is not { } type) return null;
        if (ReadNumber(lease, ref at) is not (>= 0 and <= CheckpointLimits.Rank and var rank)) return null;
        var shape = new long[rank];
        // Of 128 bits: a size that is 0 makes the product small again.
        var product = (BigInteger)type.Size;
        for (var i = 0; i < shape.Length; i++)
        {
            shape[i] = ReadNumber(lease, ref at);
            if (shape[i] < 0) return null;
            product *= shape[i];
        }

        if (product > lease.Length || shape.Aggregate(BigInteger.One, (all, s) => s == 0 ? all : all * s) > long.MaxValue / 16) return null;
        size = (long)product;
        return new TorchSharpEntry(name, type.Type, shape, at);
    }

    /// <summary>A number of at most 63 bits in as few bytes as it takes; -1 where there is none.</summary>
    private static long ReadNumber(in ByteLease lease, ref long at)
    {
        long number = 0;
        for (var shift = 0; shift < 63 && at < lease.Length; shift += 7)
        {
            var b = lease.Slice(at++, 1)[0];
            number |= (b & 0x7fL) << shift;
            if ((b & 0x80) == 0) return b == 0 && shift > 0 ? -1 : number;
        }

        return -1;
    }

    /// <summary>A name without control characters; null where there is none.</summary>
    private static string? ReadName(in ByteLease lease, ref long at)
    {
        var length = ReadNumber(lease, ref at);
        if (length is <= 0 or > LongestName || length > lease.Length - at) return null;
        try
        {
            var name = s_strict.GetString(lease.Slice(at, (int)length));
            at += length;
            return name.Any(char.IsControl) ? null : name;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>The numbers of <c>torch.ScalarType</c>, which are libtorch's. Quantised tensors are saved without their scale, so they are none.</summary>
    private static (TensorType? Type, int Size)? TypeOf(long number)
    {
        TensorType? type = number switch
        {
            0 => TensorType.UInt8,
            1 => TensorType.Int8,
            2 => TensorType.Int16,
            3 => TensorType.Int32,
            4 => TensorType.Int64,
            5 => TensorType.Float16,
            6 => TensorType.Float32,
            7 => TensorType.Float64,
            11 => TensorType.Bool,
            15 => TensorType.BFloat16,
            _ => null,
        };
        return type is not null ? (type, type.Value.Size()) : number switch
        {
            9 => (null, 8),
            10 => (null, 16),
            _ => null,
        };
    }
}
