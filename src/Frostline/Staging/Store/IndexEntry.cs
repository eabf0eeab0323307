using System.Buffers.Binary;
using System.IO.Hashing;

namespace Frostline.Staging;

/// <summary>
/// One entry of a shard's index, 64 bytes: the key (16, big-endian), the slot (8, little-endian), the XXH128 of the record's tensors one
/// after the other (16, big-endian), zeros (16), and the XXH3-64 of these 56 bytes with the store's seed (8, little-endian).
/// </summary>
internal readonly record struct IndexEntry(FeatureKey Key, long Slot, UInt128 Checksum)
{
    public const int Size = 64;

    private const int Checked = 56;

    /// <summary>Reads an entry; false where it was not written whole, was changed, or belongs to another store.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, long seed, out IndexEntry entry)
    {
        entry = new IndexEntry(
            FeatureKey.Read(bytes),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadUInt128BigEndian(bytes[24..]));
        return entry.Slot >= 0 && BinaryPrimitives.ReadUInt64LittleEndian(bytes[Checked..]) == Check(bytes, seed);
    }

    public void Write(Span<byte> bytes, long seed)
    {
        bytes[..Size].Clear();
        Key.Write(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], Slot);
        BinaryPrimitives.WriteUInt128BigEndian(bytes[24..], Checksum);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[Checked..], Check(bytes, seed));
    }

    private static ulong Check(ReadOnlySpan<byte> bytes, long seed) => XxHash3.HashToUInt64(bytes[..Checked], seed);
}
