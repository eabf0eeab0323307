using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Frostline.Checkpoints;

/// <summary>Turns the bytes of elements round: what a big-endian machine wrote becomes little-endian.</summary>
internal static class ByteOrder
{
    /// <param name="bytes">Whole elements.</param>
    /// <param name="element">The size of one: 1, 2, 4 or 8 bytes.</param>
    public static void Swap(Span<byte> bytes, int element)
    {
        switch (element)
        {
            case 2: Swap(MemoryMarshal.Cast<byte, ushort>(bytes)); break;
            case 4: Swap(MemoryMarshal.Cast<byte, uint>(bytes)); break;
            case 8: Swap(MemoryMarshal.Cast<byte, ulong>(bytes)); break;
            default: break;
        }
    }

    private static void Swap(Span<ushort> values) => BinaryPrimitives.ReverseEndianness(values, values);

    private static void Swap(Span<uint> values) => BinaryPrimitives.ReverseEndianness(values, values);

    private static void Swap(Span<ulong> values) => BinaryPrimitives.ReverseEndianness(values, values);
}
