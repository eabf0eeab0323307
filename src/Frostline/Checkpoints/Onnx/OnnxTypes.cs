using System.Buffers.Binary;
using System.Globalization;

namespace Frostline.Checkpoints;

/// <summary>The element types of ONNX (TensorProto.DataType), and how each is kept in the typed fields of a tensor.</summary>
internal static class OnnxTypes
{
    public const int FloatData = 4;
    public const int Int32Data = 5;
    public const int Int64Data = 7;
    public const int DoubleData = 10;
    public const int UInt64Data = 11;

    /// <summary>The type of a number; null for one that Frostline has no type for.</summary>
    public static TensorType? TypeOf(long dataType) => dataType switch
    {
        1 => TensorType.Float32,
        2 => TensorType.UInt8,
        3 => TensorType.Int8,
        4 => TensorType.UInt16,
        5 => TensorType.Int16,
        6 => TensorType.Int32,
        7 => TensorType.Int64,
        9 => TensorType.Bool,
        10 => TensorType.Float16,
        11 => TensorType.Float64,
        12 => TensorType.UInt32,
        13 => TensorType.UInt64,
        16 => TensorType.BFloat16,
        17 => TensorType.Float8E4M3,
        19 => TensorType.Float8E5M2,
        _ => null,
    };

    /// <summary>What stands for a tensor of a type that Frostline has none for.</summary>
    public static string Placeholder(long dataType) => dataType switch
    {
        0 => "<undefined tensor>",
        8 => "<string tensor>",
        14 => "<complex64 tensor>",
        15 => "<complex128 tensor>",
        18 => "<float8e4m3fnuz tensor>",
        20 => "<float8e5m2fnuz tensor>",
        21 => "<uint4 tensor>",
        22 => "<int4 tensor>",
        23 => "<float4e2m1 tensor>",
        24 => "<float8e8m0 tensor>",
        25 => "<uint2 tensor>",
        26 => "<int2 tensor>",
        _ => string.Create(CultureInfo.InvariantCulture, $"<tensor of type {dataType}>"),
    };

    /// <summary>The typed field that elements are kept in where there are no raw data.</summary>
    public static int FieldOf(TensorType type) => type switch
    {
        TensorType.Float32 => FloatData,
        TensorType.Float64 => DoubleData,
        TensorType.Int64 => Int64Data,
        TensorType.UInt64 or TensorType.UInt32 => UInt64Data,
        _ => Int32Data,
    };

    /// <summary>The name of a typed field.</summary>
    public static string NameOf(int field) => field switch
    {
        FloatData => "float_data",
        Int32Data => "int32_data",
        Int64Data => "int64_data",
        DoubleData => "double_data",
        _ => "uint64_data",
    };

    /// <summary>How the numbers of a typed field are laid out; null for other fields of a tensor.</summary>
    public static WireType? WireOf(int field) => field switch
    {
        FloatData => WireType.Fixed32,
        DoubleData => WireType.Fixed64,
        Int32Data or Int64Data or UInt64Data => WireType.Varint,
        _ => null,
    };

    /// <summary>
    /// Stores one element that was kept in a typed field. Half and smaller floats are kept as their bits, booleans as 0 and 1.
    /// </summary>
    /// <returns>Whether the type can hold it.</returns>
    public static bool Store(ulong bits, TensorType type, Span<byte> element)
    {
        Span<byte> wide = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(wide, bits);
        wide[..element.Length].CopyTo(element);
        if (FieldOf(type) != Int32Data) return type != TensorType.UInt32 || bits <= uint.MaxValue;
        // Protobuf keeps the lower half of a longer number.
        var number = (int)bits;
        return type switch
        {
            TensorType.Int32 => true,
            TensorType.Int16 => number is >= short.MinValue and <= short.MaxValue,
            TensorType.Int8 => number is >= sbyte.MinValue and <= sbyte.MaxValue,
            TensorType.Bool => number is 0 or 1,
            _ => number >= 0 && number < 1 << (8 * element.Length),
        };
    }
}
