namespace Frostline.Staging;

/// <summary>What a frozen prefix is computed in.</summary>
public enum EnginePrecision
{
    /// <summary>Single precision.</summary>
    Float32,

    /// <summary>
    /// Brain floating point: 8 bits of precision, results as float32. About twice as fast on processors that have it (avx512_bf16, AMX), slower
    /// on others.
    /// </summary>
    Bfloat16,
}
