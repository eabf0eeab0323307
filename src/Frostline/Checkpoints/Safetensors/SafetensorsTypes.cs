namespace Frostline.Checkpoints;

/// <summary>
/// The names that safetensors gives to element types. Switches instead of dictionaries: those of an enum would have to be compiled
/// when the program starts, which costs <c>frostline inspect</c> a tenth of its time.
/// </summary>
internal static class SafetensorsTypes
{
    public static bool TryParse(string name, out TensorType type)
    {
        TensorType? found = name switch
        {
            "F64" => TensorType.Float64,
            "F32" => TensorType.Float32,
            "F16" => TensorType.Float16,
            "BF16" => TensorType.BFloat16,
            "F8_E5M2" => TensorType.Float8E5M2,
            "F8_E4M3" => TensorType.Float8E4M3,
            "I64" => TensorType.Int64,
            "I32" => TensorType.Int32,
            "I16" => TensorType.Int16,
            "I8" => TensorType.Int8,
            "U64" => TensorType.UInt64,
            "U32" => TensorType.UInt32,
            "U16" => TensorType.UInt16,
            "U8" => TensorType.UInt8,
            "BOOL" => TensorType.Bool,
            _ => null,
        };
        type = found.GetValueOrDefault();
        return found is not null;
    }

    public static string NameOf(TensorType type) => type switch
    {
        TensorType.Float64 => "F64",
        TensorType.Float32 => "F32",
        TensorType.Float16 => "F16",
        TensorType.BFloat16 => "BF16",
        TensorType.Float8E5M2 => "F8_E5M2",
        TensorType.Float8E4M3 => "F8_E4M3",
        TensorType.Int64 => "I64",
        TensorType.Int32 => "I32",
        TensorType.Int16 => "I16",
        TensorType.Int8 => "I8",
        TensorType.UInt64 => "U64",
        TensorType.UInt32 => "U32",
        TensorType.UInt16 => "U16",
        TensorType.UInt8 => "U8",
        TensorType.Bool => "BOOL",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown tensor type"),
    };
}
