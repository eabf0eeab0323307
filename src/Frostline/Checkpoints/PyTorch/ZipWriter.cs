using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>
/// Writes a zip archive as PyTorch's own writer does (PKWARE APPNOTE 6.3.10): entries stored, each payload at a multiple of 64
/// thanks to a padding field <c>FB</c> in its local header, checksum and lengths in a descriptor behind the payload, no times,
/// and always a 64-bit end record; 64-bit fields where an entry lies or ends beyond 4 GiB. It never seeks.
/// </summary>
internal sealed class ZipWriter(Stream stream)
{
    /// <summary>What the payloads' positions are multiples of.</summary>
    public const int Alignment = 64;

    private const int LocalLength = 30;
    private const ushort Descriptor = 0x0008;
    private const ushort Utf8 = 0x0800;
    private const ushort WideField = 1;

    private readonly List<ZipEntry> _entries = [];
    private long _position;

    /// <summary>Adds an entry whose content is at hand.</summary>
    public void Add(string name, ReadOnlySpan<byte> content)
    {
        var entry = Begin(name, content.Length);
        Write(content);
        End(entry with { Crc = Crc32.HashToUInt32(content) });
    }

    /// <summary>Adds an entry with a tensor's bytes.</summary>
    /// <exception cref="CheckpointException">The tensor writes more or fewer bytes than it has.</exception>
    public void Add(string name, TensorSource tensor)
    {
        var entry = Begin(name, tensor.Info.ByteCount);
        var crc = new Crc32();
        using (var exact = new ExactStream(tensor.Info, (bytes, _) =>
        {
            crc.Append(bytes);
            Write(bytes);
        }))
        {
            tensor.Write(exact);
            exact.RequireEnd();
        }

        End(entry with { Crc = crc.GetCurrentHashAsUInt32() });
    }

    /// <summary>Names and contents so far, each in one number (FNV-1a of 64 bits over names and over checksums).</summary>
    public (ulong Names, ulong Contents) Digest()
    {
        var names = 0xcbf29ce484222325UL;
        var contents = names;
        Span<byte> crc = stackalloc byte[4];
        foreach (var entry in _entries)
        {
            foreach (var b in Encoding.UTF8.GetBytes(entry.Name)) names = unchecked((names ^ b) * 0x100000001b3UL);
            BinaryPrimitives.WriteUInt32LittleEndian(crc, entry.Crc);
            foreach (var b in crc) contents = unchecked((contents ^ b) * 0x100000001b3UL);
        }

        return (names, contents);
    }

    /// <summary>Writes the directory; nothing may follow.</summary>
    public void Finish()
    {
        var start = _position;
        foreach (var entry in _entries) WriteDirectoryEntry(entry);
        var (end, length, count) = (_position, _position - start, _entries.Count);
        Write(new Fields(56)
            .U32(0x06064b50).U64(44).U16(0x031e).U16(45).U32(0).U32(0).U64(count).U64(count).U64(length).U64(start).Bytes);
        Write(new Fields(20).U32(0x07064b50).U32(0).U64(end).U32(1).Bytes);
        Write(new Fields(22)
            .U32(0x06054b50).U16(0).U16(0).U16(Math.Min(count, ushort.MaxValue)).U16(Math.Min(count, ushort.MaxValue))
            .U32(Math.Min(length, uint.MaxValue)).U32(Math.Min(start, uint.MaxValue)).U16(0).Bytes);
    }

    private static bool IsWide(long value) => value >= uint.MaxValue;

    private ZipEntry Begin(string name, long length)
    {
        var entry = new ZipEntry(name, Method: 0, Crc: 0, length, length, _position);
        var utf8 = Encoding.UTF8.GetBytes(name);
        var wide = Wide(entry);
        var unpadded = _position + LocalLength + utf8.Length + wide.Length + 4;
        var padding = (int)((Alignment - (unpadded % Alignment)) % Alignment);
        Write(new Fields(LocalLength)
            .U32(0x04034b50).U16(0).U16(Flags(entry)).U16(0).U32(0).U32(0).U32(0).U32(0).U16(utf8.Length).U16(wide.Length + 4 + padding).Bytes);
        Write(utf8);
        Write(wide);
        Write(new Fields(4).U16(0x4246).U16(padding).Bytes);
        Span<byte> filler = stackalloc byte[padding];
        filler.Fill((byte)'Z');
        Write(filler);
        return entry;
    }

    private void End(ZipEntry entry)
    {
        if (entry.Length > 0)
        {
            var descriptor = new Fields(24).U32(0x08074b50).U32(entry.Crc);
            if (Wide(entry).Length > 0) descriptor.U64(entry.Length).U64(entry.Length);
            else descriptor.U32(entry.Length).U32(entry.Length);
            Write(descriptor.Bytes);
        }

        _entries.Add(entry);
    }

    private void WriteDirectoryEntry(ZipEntry entry)
    {
        var utf8 = Encoding.UTF8.GetBytes(entry.Name);
        var wide = Wide(entry);
        var length = Math.Min(entry.Length, uint.MaxValue);
        Write(new Fields(46)
            .U32(0x02014b50).U16(0).U16(0).U16(Flags(entry)).U16(0).U32(0).U32(entry.Crc).U32(length).U32(length)
            .U16(utf8.Length).U16(wide.Length).U16(0).U16(0).U16(0).U32(0).U32(Math.Min(entry.Header, uint.MaxValue)).Bytes);
        Write(utf8);
        Write(wide);
    }

    // An empty entry needs no descriptor.
    private static int Flags(ZipEntry entry) => entry.Length > 0 ? Utf8 | Descriptor : Utf8;

    /// <summary>The field of 64-bit lengths and position, for what 32 bits cannot say; empty where they can.</summary>
    private static ReadOnlySpan<byte> Wide(ZipEntry entry)
    {
        var size = (IsWide(entry.Length) ? 16 : 0) + (IsWide(entry.Header) ? 8 : 0);
        if (size == 0) return [];
        var fields = new Fields(4 + size).U16(WideField).U16(size);
        if (IsWide(entry.Length)) fields.U64(entry.Length).U64(entry.Length);
        if (IsWide(entry.Header)) fields.U64(entry.Header);
        return fields.Bytes;
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        _position += bytes.Length;
    }

    /// <summary>Little-endian numbers one after the other.</summary>
    private sealed class Fields(int capacity)
    {
        private readonly byte[] _bytes = new byte[capacity];
        private int _length;

        public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

        public Fields U16(int value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(Take(2), checked((ushort)value));
            return this;
        }

        public Fields U32(long value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(Take(4), checked((uint)value));
            return this;
        }

        public Fields U64(long value)
        {
            BinaryPrimitives.WriteInt64LittleEndian(Take(8), value);
            return this;
        }

        private Span<byte> Take(int count) => _bytes.AsSpan((_length += count) - count, count);
    }
}
