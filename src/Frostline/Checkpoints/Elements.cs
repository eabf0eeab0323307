using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Frostline.Checkpoints;

/// <summary>
/// Converts elements between their stored form (little-endian) and float64; rounds once, to the nearest, ties to even.
/// </summary>
internal static class Elements
{
    /// <summary>Whether values of the type can be drawn, and cast from and to one another.</summary>
    public static bool IsFloat(TensorType type) =>
        type is TensorType.Float64 or TensorType.Float32 or TensorType.Float16 or TensorType.BFloat16;

    /// <summary>Stores values; a value beyond the type's range becomes infinite.</summary>
    /// <exception cref="ArgumentException">
    /// The value does not fit an integer type exactly, or the type is an 8-bit float.
    /// </exception>
    public static void FromDouble(ReadOnlySpan<double> values, TensorType type, Span<byte> bytes)
    {
        switch (type)
        {
            case TensorType.Float64:
                MemoryMarshal.AsBytes(values).CopyTo(bytes);
                break;
            case TensorType.Float32:
                var singles = MemoryMarshal.Cast<byte, float>(bytes);
                for (var i = 0; i < values.Length; i++) singles[i] = (float)values[i];
                break;
            case TensorType.Float16:
                var halves = MemoryMarshal.Cast<byte, Half>(bytes);
                for (var i = 0; i < values.Length; i++) halves[i] = (Half)values[i];
                break;
            case TensorType.BFloat16:
                var words = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++) words[i] = ToBFloat16(values[i]);
                break;
            default:
                var size = type.Size();
                for (var i = 0; i < values.Length; i++) WriteInteger(values[i], type, bytes.Slice(i * size, size));
                break;
        }
    }

    /// <summary>Reads values of any type; a 64-bit integer that float64 cannot hold becomes the nearest that it can.</summary>
    public static void ToDouble(ReadOnlySpan<byte> bytes, TensorType type, Span<double> values)
    {
        switch (type)
        {
            case TensorType.Float64:
                bytes.CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case TensorType.Float32:
                var singles = MemoryMarshal.Cast<byte, float>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = singles[i];
                break;
            case TensorType.Float16:
                var halves = MemoryMarshal.Cast<byte, Half>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = (double)halves[i];
                break;
            case TensorType.BFloat16:
                var words = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)words[i] << 16);
                break;
            default:
                var size = type.Size();
                for (var i = 0; i < values.Length; i++) values[i] = ReadOther(bytes.Slice(i * size, size), type);
                break;
        }
    }

    /// <summary>Reads elements of one floating-point type and stores them as another, in pieces.</summary>
    public static void Cast(ReadOnlySpan<byte> source, TensorType from, Span<byte> target, TensorType to)
    {
        const int Piece = 4096;
        Span<double> values = stackalloc double[Piece];
        var count = source.Length / from.Size();
        for (var start = 0; start < count; start += Piece)
        {
            var length = Math.Min(Piece, count - start);
            ToDouble(source.Slice(start * from.Size(), length * from.Size()), from, values[..length]);
            FromDouble(values[..length], to, target.Slice(start * to.Size(), length * to.Size()));
        }
    }

    /// <summary>How many values are infinite or no number; 0 for types other than the four floating-point ones.</summary>
    public static long CountNotFinite(ReadOnlySpan<byte> bytes, TensorType type) => type switch
    {
        TensorType.Float64 => CountExponents<ulong>(MemoryMarshal.Cast<byte, ulong>(bytes), 0x7FF0_0000_0000_0000),
        TensorType.Float32 => CountExponents<uint>(MemoryMarshal.Cast<byte, uint>(bytes), 0x7F80_0000),
        TensorType.Float16 => CountExponents<ushort>(MemoryMarshal.Cast<byte, ushort>(bytes), 0x7C00),
        TensorType.BFloat16 => CountExponents<ushort>(MemoryMarshal.Cast<byte, ushort>(bytes), 0x7F80),
        _ => 0,
    };

    /// <summary>How many elements have all bits of the exponent set, which is what infinities and NaNs have in common.</summary>
    private static long CountExponents<T>(ReadOnlySpan<T> values, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        long count = 0;
        var mask = new Vector<T>(exponent);
        var at = 0;
        for (; at <= values.Length - Vector<T>.Count; at += Vector<T>.Count)
        {
            // Almost no vector has one, so that asking whether any has is all that is done to most.
            if (!Vector.EqualsAny(new Vector<T>(values[at..]) & mask, mask)) continue;
            for (var i = at; i < at + Vector<T>.Count; i++) count += (values[i] & exponent) == exponent ? 1 : 0;
        }

        for (; at < values.Length; at++) count += (values[at] & exponent) == exponent ? 1 : 0;
        return count;
    }

    private static double ReadOther(ReadOnlySpan<byte> bytes, TensorType type) => type switch
    {
        TensorType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        TensorType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        TensorType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        TensorType.Int8 => (sbyte)bytes[0],
        TensorType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        TensorType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        TensorType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        TensorType.UInt8 or TensorType.Bool => bytes[0],
        // The upper byte of a binary16.
        TensorType.Float8E5M2 => (double)BitConverter.UInt16BitsToHalf((ushort)(bytes[0] << 8)),
        TensorType.Float8E4M3 => ReadE4M3(bytes[0]),
        _ => throw new ArgumentException($"elements of type {type} are not read as numbers", nameof(type)),
    };

    /// <summary>Exponent bias 7; all ones is no number, and there are no infinities.</summary>
    private static double ReadE4M3(byte bits)
    {
        var (exponent, mantissa) = ((bits >> 3) & 15, bits & 7);
        if ((bits & 0x7F) == 0x7F) return double.NaN;
        var size = exponent == 0 ? Math.ScaleB(mantissa, -9) : Math.ScaleB(8 + mantissa, exponent - 10);
        return bits >= 0x80 ? -size : size;
    }

    private static ushort ToBFloat16(double value)
    {
        if (double.IsNaN(value)) return 0x7FC0;
        var single = (float)value;
        var bits = BitConverter.SingleToUInt32Bits(single);
        if (float.IsInfinity(single)) return (ushort)(bits >> 16);
        // Rounding twice could round a near tie the wrong way: cut towards zero instead, and let an odd last bit stand for the
        // rest.
        if (single != value)
        {
            if (Math.Abs((double)single) > Math.Abs(value)) bits--;
            bits |= 1;
        }

        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static void WriteInteger(double value, TensorType type, Span<byte> bytes)
    {
        var whole = (Int128)value;
        var (least, most) = type switch
        {
            TensorType.Int64 => ((Int128)long.MinValue, (Int128)long.MaxValue),
            TensorType.Int32 => (int.MinValue, int.MaxValue),
            TensorType.Int16 => (short.MinValue, short.MaxValue),
            TensorType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
            TensorType.UInt64 => (0, (Int128)ulong.MaxValue),
            TensorType.UInt32 => (0, (Int128)uint.MaxValue),
            TensorType.UInt16 => (0, ushort.MaxValue),
            TensorType.UInt8 => (0, byte.MaxValue),
            TensorType.Bool => (0, 1),
            _ => throw new ArgumentException($"elements of type {type} cannot be set from numbers", nameof(type)),
        };
        if ((double)whole != value || whole < least || whole > most)
            throw new ArgumentException($"{value} does not fit into elements of type {type}", nameof(value));
        Span<byte> wide = stackalloc byte[16];
        BinaryPrimitives.WriteInt128LittleEndian(wide, whole);
        wide[..bytes.Length].CopyTo(bytes);
    }
}
