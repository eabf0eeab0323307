using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>One entry of a zip archive.</summary>
/// <param name="Name">The name with its folders.</param>
/// <param name="Method">0 stored, 8 deflated.</param>
/// <param name="Crc">CRC-32 of the content, as claimed.</param>
/// <param name="Compressed">The length in the archive.</param>
/// <param name="Length">The length of the content.</param>
/// <param name="Header">Where the local header begins.</param>
internal sealed record ZipEntry(string Name, int Method, uint Crc, long Compressed, long Length, long Header);

/// <summary>
/// The central directory of a zip archive (PKWARE APPNOTE 6.3.10, with ZIP64), read without touching the entries. Archives
/// on several disks and encrypted entries are refused, as are names that leave the archive and entries that overlap.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint LocalSignature = 0x04034b50;
    private const uint DirectorySignature = 0x02014b50;
    private const uint EndSignature = 0x06054b50;
    private const uint End64Signature = 0x06064b50;
    private const uint Locator64Signature = 0x07064b50;
    private const int EndLength = 22;
    private const int LocalLength = 30;
    private const int DirectoryLength = 46;

    private readonly ByteSource _bytes;
    private readonly Dictionary<string, ZipEntry> _entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> _verified = new(StringComparer.Ordinal);

    private readonly ZipInflater _inflater;

    private ZipDirectory(ByteSource bytes)
    {
        _bytes = bytes;
        _inflater = new ZipInflater(bytes);
    }

    public IReadOnlyDictionary<string, ZipEntry> Entries => _entries;

    public static bool Matches(ByteSource bytes)
    {
        if (bytes.Length < 4) return false;
        using var lease = bytes.Lease();
        return lease.Slice(0, 4).SequenceEqual("PK\x03\x04"u8) || lease.Slice(0, 4).SequenceEqual("PK\x05\x06"u8);
    }

    /// <exception cref="CheckpointException">There is no directory (the file is cut short), or it is damaged or refused.</exception>
    public static ZipDirectory Read(ByteSource bytes)
    {
        var directory = new ZipDirectory(bytes);
        using var lease = bytes.Lease();
        var (start, length, count) = FindDirectory(bytes, lease);
        directory.ReadEntries(lease, start, length, count);
        return directory;
    }

    /// <summary>Where a stored entry's content begins; checks its CRC-32 the first time.</summary>
    /// <exception cref="CheckpointException">The entry is compressed, damaged, or its local header says something else.</exception>
    public long Locate(ZipEntry entry)
    {
        if (entry.Method != 0)
        {
            throw _bytes.Error(
                $"entry {entry.Name} is compressed (method {entry.Method}), which its writer never does; pack the archive again without compression");
        }

        using var lease = _bytes.Lease();
        var start = ContentStart(entry, lease);
        lock (_verified)
        {
            if (_verified.Contains(entry.Name)) return start;
        }

        var crc = new Crc32();
        for (long at = 0; at < entry.Length;)
        {
            var part = lease.Slice(start + at, (int)Math.Min(1 << 24, entry.Length - at));
            crc.Append(part);
            at += part.Length;
        }

        var sum = crc.GetCurrentHashAsUInt32();
        if (sum != entry.Crc)
            throw _bytes.Error($"entry {entry.Name} is damaged: its CRC-32 is {sum:x8} instead of {entry.Crc:x8}; copy or download it again");
        lock (_verified) _verified.Add(entry.Name);
        return start;
    }

    /// <summary>An entry's content, stored or deflated: checked against its CRC-32, and where it is deflated, in memory.</summary>
    /// <returns>The bytes that hold it, and where it begins in them.</returns>
    /// <exception cref="CheckpointException">The entry is damaged, inflates beyond the limits, or is compressed in another way.</exception>
    public (ByteSource Bytes, long Start) Content(ZipEntry entry)
    {
        if (entry.Method != ZipInflater.Deflated) return (_bytes, Locate(entry));
        return (new ArrayBytes(_bytes.Name, _inflater.Inflate(entry, ContentStart(entry))), 0);
    }

    /// <summary>The first bytes of an entry's content, stored or deflated, without its CRC-32 being checked.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="count">How many bytes; fewer are given where the entry is shorter.</param>
    /// <exception cref="CheckpointException">The entry is damaged, claims more than the limits, or is compressed in another way.</exception>
    public byte[] Begin(ZipEntry entry, int count)
    {
        count = (int)Math.Min(count, entry.Length);
        if (entry.Method == ZipInflater.Deflated) return _inflater.Begin(entry, ContentStart(entry), count);
        if (entry.Method != 0) throw _bytes.Error($"entry {entry.Name} is compressed (method {entry.Method}); pack the archive again without");
        var bytes = new byte[count];
        _bytes.CopyTo(ContentStart(entry), bytes);
        return bytes;
    }

    private long ContentStart(ZipEntry entry)
    {
        using var lease = _bytes.Lease();
        return ContentStart(entry, lease);
    }

    private long ContentStart(ZipEntry entry, in ByteLease lease)
    {
        var header = lease.Slice(entry.Header, LocalLength);
        var nameLength = U16(header, 26);
        if (U32(header, 0) != LocalSignature
            || !lease.Slice(entry.Header + LocalLength, nameLength).SequenceEqual(Encoding.UTF8.GetBytes(entry.Name)))
            throw _bytes.Error($"entry {entry.Name} is damaged: its local header at byte {entry.Header} belongs to something else");
        var start = entry.Header + LocalLength + nameLength + U16(header, 28);
        if (start + entry.Compressed > _bytes.Length) throw _bytes.Error($"entry {entry.Name} ends after the end of the file");
        return start;
    }

    private static (long Start, long Length, ulong Count) FindDirectory(ByteSource bytes, in ByteLease lease)
    {
        // The end record is last; only a comment of at most 65,535 bytes may follow it.
        var tail = (int)Math.Min(bytes.Length, EndLength + 65535);
        var span = lease.Slice(bytes.Length - tail, tail);
        var at = tail - EndLength;
        while (at >= 0 && (U32(span, at) != EndSignature || at + EndLength + U16(span, at + 20) != tail)) at--;
        if (at < 0) throw bytes.Error("is cut short: the zip archive has no directory at its end; copy or download it again");

        var end = span[at..];
        ulong count = U16(end, 10), length = U32(end, 12), start = U32(end, 16);
        if (U16(end, 4) is not (0 or 0xffff) || U16(end, 8) != U16(end, 10))
            throw bytes.Error("is one part of a zip archive in several parts");
        var limit = bytes.Length - tail + at;
        if (count == 0xffff || length == uint.MaxValue || start == uint.MaxValue || HasLocator(lease, limit))
            (start, length, count, limit) = ReadEnd64(bytes, lease, limit);
        if (start > (ulong)limit || length > (ulong)limit - start)
            throw bytes.Error("is damaged: the zip directory lies outside the file");
        if (count > CheckpointLimits.ZipEntries || count * DirectoryLength > length)
            throw bytes.Error($"is damaged: the zip directory claims {count} entries in {length} bytes");
        return ((long)start, (long)length, count);
    }

    private static bool HasLocator(in ByteLease lease, long end) => end >= 20 && U32(lease.Slice(end - 20, 20), 0) == Locator64Signature;

    private static (ulong Start, ulong Length, ulong Count, long Limit) ReadEnd64(ByteSource bytes, in ByteLease lease, long end)
    {
        if (!HasLocator(lease, end)) throw bytes.Error("is damaged: the zip archive lacks its 64-bit end record");
        var at = U64(lease.Slice(end - 20, 20), 8);
        if (at > (ulong)end - 20) throw bytes.Error("is damaged: the 64-bit end record lies outside the file");
        var record = lease.Slice((long)at, 56);
        if (U32(record, 0) != End64Signature) throw bytes.Error("is damaged: the 64-bit end record is something else");
        return (U64(record, 48), U64(record, 40), U64(record, 32), (long)at);
    }

    private void ReadEntries(in ByteLease lease, long start, long length, ulong count)
    {
        var at = start;
        for (ulong i = 0; i < count; i++)
        {
            var left = start + length - at;
            if (left < DirectoryLength) throw _bytes.Error($"is damaged: the zip directory ends within entry {i}");
            var fixedPart = lease.Slice(at, DirectoryLength);
            if (U32(fixedPart, 0) != DirectorySignature)
                throw _bytes.Error($"is damaged: entry {i} of the zip directory is something else");
            int nameLength = U16(fixedPart, 28), extraLength = U16(fixedPart, 30), commentLength = U16(fixedPart, 32);
            if (DirectoryLength + nameLength + extraLength + commentLength > left)
                throw _bytes.Error($"is damaged: the zip directory ends within entry {i}");
            var name = Encoding.UTF8.GetString(lease.Slice(at + DirectoryLength, nameLength));
            CheckName(name, U16(fixedPart, 8));
            var entry = Widen(
                new ZipEntry(name, U16(fixedPart, 10), U32(fixedPart, 16), U32(fixedPart, 20), U32(fixedPart, 24), U32(fixedPart, 42)),
                lease.Slice(at + DirectoryLength + nameLength, extraLength));
            if (!_entries.TryAdd(name, entry)) throw _bytes.Error($"the zip archive has two entries {name}");
            at += DirectoryLength + nameLength + extraLength + commentLength;
        }

        CheckOverlap(start);
    }

    private void CheckName(string name, int flags)
    {
        if ((flags & 1) != 0) throw _bytes.Error($"entry {Shown(name)} is encrypted");
        if (name.Length == 0 || name[0] == '/' || name.Any(c => c is '\\' or '\ufffd' || char.IsControl(c)) || name.Split('/').Contains(".."))
            throw _bytes.Error($"refused: the zip entry \"{Shown(name)}\" has a name that leaves the archive or is not plain text");
    }

    private static string Shown(string name) => new([.. name.Take(200).Select(c => char.IsControl(c) ? '?' : c)]);

    /// <summary>ZIP64: sizes and offset that do not fit into 32 bits stand in the extra field 1, in this order.</summary>
    private ZipEntry Widen(ZipEntry entry, ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            var size = U16(extra, 2);
            if (size > extra.Length - 4) break;
            if (U16(extra, 0) == 1)
            {
                var field = extra.Slice(4, size);
                if (entry.Length == uint.MaxValue) entry = entry with { Length = TakeSize(ref field, entry.Name) };
                if (entry.Compressed == uint.MaxValue) entry = entry with { Compressed = TakeSize(ref field, entry.Name) };
                if (entry.Header == uint.MaxValue) entry = entry with { Header = TakeSize(ref field, entry.Name) };
                break;
            }

            extra = extra[(4 + size)..];
        }

        if (entry.Method == 0 && entry.Compressed != entry.Length)
            throw _bytes.Error($"entry {entry.Name} is stored, but claims two lengths");
        return entry;
    }

    private long TakeSize(ref ReadOnlySpan<byte> field, string name)
    {
        if (field.Length < 8 || U64(field, 0) > long.MaxValue) throw _bytes.Error($"entry {name} has a damaged 64-bit size");
        var value = (long)U64(field, 0);
        field = field[8..];
        return value;
    }

    private void CheckOverlap(long directory)
    {
        long end = 0;
        foreach (var entry in _entries.Values.OrderBy(entry => entry.Header))
        {
            if (entry.Header < end) throw _bytes.Error($"refused: the zip entry {entry.Name} overlaps the one before it");
            var least = LocalLength + (long)Encoding.UTF8.GetByteCount(entry.Name);
            if (entry.Compressed > directory || entry.Header > directory - entry.Compressed || entry.Header + entry.Compressed > directory - least)
                throw _bytes.Error($"entry {entry.Name} claims {entry.Compressed} bytes at byte {entry.Header}, beyond the directory at {directory}");
            end = entry.Header + least + entry.Compressed;
        }
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
