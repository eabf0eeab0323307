using System.Buffers.Binary;

namespace Frostline.Checkpoints.Pickle;

/// <summary>A NumPy element type: its code, such as <c>f8</c>, and its byte order.</summary>
internal sealed class NumpyType(string code)
{
    public string Code { get; } = code;

    public bool BigEndian { get; private set; }

    /// <summary>BUILD gives a tuple whose second item is the byte order.</summary>
    public void SetState(object? state) => BigEndian = state is PickleTuple { Items: [_, ">", ..] };
}

/// <summary>
/// NumPy's scalars, which training scripts leave beside the weights (<c>best_acc</c>), as plain numbers; its arrays as values
/// that are named but not unpacked.
/// </summary>
internal static class NumpyValues
{
    public static IEnumerable<PickleConstructor> Constructors()
    {
        yield return new("numpy.dtype", call => call.Arguments is [string code, ..] ? new NumpyType(code) : throw call.Misused());
        yield return new("numpy.core.multiarray.scalar", Scalar);
        yield return new("numpy.ndarray", PickleConstructors.Marker);
        yield return new("numpy.core.multiarray._reconstruct", call => new PickleObject("numpy.ndarray"));
    }

    private static object? Scalar(PickleCall call)
    {
        if (call.Arguments is not [NumpyType type, byte[] bytes]) throw call.Misused();
        if (type.Code.Length != 2 || type.Code[1] - '0' != bytes.Length) return new PickleObject("numpy.scalar");
        Span<byte> little = stackalloc byte[16];
        bytes.CopyTo(little);
        if (type.BigEndian) little[..bytes.Length].Reverse();
        return type.Code switch
        {
            "f8" => BinaryPrimitives.ReadDoubleLittleEndian(little),
            "f4" => (double)BinaryPrimitives.ReadSingleLittleEndian(little),
            "f2" => (double)BinaryPrimitives.ReadHalfLittleEndian(little),
            "i8" => BinaryPrimitives.ReadInt64LittleEndian(little),
            "i4" => (long)BinaryPrimitives.ReadInt32LittleEndian(little),
            "i2" => (long)BinaryPrimitives.ReadInt16LittleEndian(little),
            "i1" => (long)(sbyte)little[0],
            "u8" => Narrow(BinaryPrimitives.ReadUInt64LittleEndian(little)),
            "u4" => (long)BinaryPrimitives.ReadUInt32LittleEndian(little),
            "u2" => (long)BinaryPrimitives.ReadUInt16LittleEndian(little),
            "u1" => (long)little[0],
            "b1" => little[0] != 0,
            _ => new PickleObject("numpy.scalar"),
        };
    }

    private static object Narrow(ulong value) => value <= long.MaxValue ? (long)value : (object)new System.Numerics.BigInteger(value);
}
