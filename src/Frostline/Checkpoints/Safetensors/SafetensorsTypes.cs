namespace Frostline.Checkpoints;

/// <summary>The names that safetensors gives to element types.</summary>
internal static class SafetensorsTypes
{
    private static readonly Dictionary<string, TensorType> s_types = new(StringComparer.Ordinal)
    {
        ["F64"] = TensorType.Float64,
        ["F32"] = TensorType.Float32,
        ["F16"] = TensorType.Float16,
        ["BF16"] = TensorType.BFloat16,
        ["F8_E5M2"] = TensorType.Float8E5M2,
        ["F8_E4M3"] = TensorType.Float8E4M3,
        ["I64"] = TensorType.Int64,
        ["I32"] = TensorType.Int32,
        ["I16"] = TensorType.Int16,
        ["I8"] = TensorType.Int8,
        ["U64"] = TensorType.UInt64,
        ["U32"] = TensorType.UInt32,
        ["U16"] = TensorType.UInt16,
        ["U8"] = TensorType.UInt8,
        ["BOOL"] = TensorType.Bool,
    };

    private static readonly Dictionary<TensorType, string> s_names = s_types.ToDictionary(pair => pair.Value, pair => pair.Key);

    public static bool TryParse(string name, out TensorType type) => s_types.TryGetValue(name, out type);

    public static string NameOf(TensorType type) => s_names[type];
}
