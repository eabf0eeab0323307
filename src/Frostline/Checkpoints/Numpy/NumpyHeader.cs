using System.Buffers.Binary;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>
/// What stands before the elements of an array in NumPy's format (<c>.npy</c>, versions 1.0 to 3.0): a magic number, the version,
/// and a Python dictionary of <c>descr</c>, <c>fortran_order</c> and <c>shape</c>.
/// </summary>
/// <param name="Description">The element type for messages, for example <c>object</c> or <c>complex</c>.</param>
/// <param name="Type">The element type; null where it is none that a tensor has, and never unpickled.</param>
/// <param name="BigEndian">Whether elements are big-endian.</param>
/// <param name="Shape">The sizes.</param>
/// <param name="ColumnMajor">Whether the first index runs fastest (Fortran's order).</param>
/// <param name="Length">How many bytes the header takes.</param>
internal sealed record NumpyHeader(string Description, TensorType? Type, bool BigEndian, long[] Shape, bool ColumnMajor, int Length)
{
    private const int FixedLength = 12;

    /// <summary>Whether bytes begin as one of NumPy's arrays.</summary>
    public static bool Matches(ReadOnlySpan<byte> start) => start is [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', ..];

    /// <summary>Reads a header.</summary>
    /// <param name="begin">Gives that many bytes from the beginning, or as many as there are.</param>
    /// <param name="error">Makes the error of what is wrong with the header.</param>
    /// <exception cref="CheckpointException">The header is damaged.</exception>
    public static NumpyHeader Read(Func<int, byte[]> begin, Func<string, CheckpointException> error)
    {
        var start = begin(FixedLength);
        if (!Matches(start) || start.Length < FixedLength) throw error("is missing, so this is no NumPy array");
        var (major, minor) = (start[6], start[7]);
        if (major is < 1 or > 3 || minor != 0) throw error($"is of version {major}.{minor}; 1.0, 2.0 and 3.0 are known");
        var prefix = major == 1 ? 10 : 12;
        var length = major == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(start.AsSpan(8)) : BinaryPrimitives.ReadUInt32LittleEndian(start.AsSpan(8));
        if (length > CheckpointLimits.NumpyHeaderBytes)
            throw error($"claims {length} bytes; the limit is {CheckpointLimits.NumpyHeaderBytes}");
        var bytes = begin(prefix + (int)length);
        if (bytes.Length < prefix + (int)length) throw error($"is cut short: it claims {length} bytes");
        var text = (major == 3 ? Encoding.UTF8 : Encoding.Latin1).GetString(bytes, prefix, (int)length);
        if (PythonLiteral.Parse(text, error) is not Dictionary<string, object?> { Count: 3 } entries
            || !entries.TryGetValue("descr", out var descr) || !entries.TryGetValue("fortran_order", out var order) || order is not bool columnMajor
            || !entries.TryGetValue("shape", out var sizes) || sizes is not object?[] items || !items.All(item => item is long))
            throw error("does not hold descr, fortran_order and shape");
        if (items.Length > CheckpointLimits.Rank) throw error($"has {items.Length} dimensions (at most {CheckpointLimits.Rank})");
        long[] shape = [.. items.Cast<long>()];
        var (description, type) = Describe(descr);
        return new(description, type, descr is string and ['>', ..], shape, columnMajor, bytes.Length);
    }

    /// <summary>The array as a tensor, its elements where the header ends.</summary>
    /// <param name="total">How many bytes header and elements take together.</param>
    /// <param name="error">Makes the error of what is wrong with the header.</param>
    /// <exception cref="CheckpointException">The sizes do not fit what is there.</exception>
    public Pickle.TorchTensor View(long total, Func<string, CheckpointException> error)
    {
        long count;
        try
        {
            count = Shape.Aggregate(1L, (product, size) => checked(product * size));
            _ = checked(count * Type!.Value.Size());
        }
        catch (OverflowException)
        {
            throw error("has sizes that are larger than 64 bits can count");
        }

        var wanted = count * Type.Value.Size();
        if (wanted != total - Length)
        {
            var fault = wanted > total - Length ? "the file is cut short; copy or download it again" : "bytes follow the array";
            throw error($"describes {wanted} bytes, but {total - Length} follow it: {fault}");
        }

        return new(new Pickle.TorchStorage("", Type, count), Type.Value, Offset: 0, Shape, Strides());
    }

    private long[] Strides()
    {
        var strides = new long[Shape.Length];
        long step = 1;
        for (var i = 0; i < strides.Length; i++)
        {
            var dimension = ColumnMajor ? i : strides.Length - 1 - i;
            strides[dimension] = step;
            // An array without elements may have any other sizes; its strides are never used.
            step = unchecked(step * Shape[dimension]);
        }

        return strides;
    }

    private static (string Description, TensorType? Type) Describe(object? descr)
    {
        if (descr is not string text) return ("structured", null);
        if (text is not ['<' or '>' or '|', .. var code]) return ("unknown", null);
        TensorType? type = code switch
        {
            "f8" => TensorType.Float64,
            "f4" => TensorType.Float32,
            "f2" => TensorType.Float16,
            "i8" => TensorType.Int64,
            "i4" => TensorType.Int32,
            "i2" => TensorType.Int16,
            "i1" => TensorType.Int8,
            "u8" => TensorType.UInt64,
            "u4" => TensorType.UInt32,
            "u2" => TensorType.UInt16,
            "u1" => TensorType.UInt8,
            "b1" => TensorType.Bool,
            _ => null,
        };
        // Elements of several bytes have an order.
        if (type is not null && (text[0] != '|' || type.Value.Size() == 1)) return (code, type);
        var name = code switch
        {
            ['O', ..] => "object",
            ['U' or 'S' or 'a', ..] => "text",
            ['c', ..] => "complex",
            ['M' or 'm', ..] => "time",
            // ml_dtypes' bfloat16 ends up as V2: two bytes of no type.
            ['V', ..] => code.All(char.IsAsciiLetterOrDigit) ? $"untyped {code}" : "untyped",
            _ => code.Length <= 8 && code.All(char.IsAsciiLetterOrDigit) ? code : "unknown",
        };
        return (name, null);
    }
}
