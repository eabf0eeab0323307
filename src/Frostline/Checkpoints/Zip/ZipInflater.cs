using System.IO.Compression;
using System.IO.Hashing;

namespace Frostline.Checkpoints;

/// <summary>
/// Inflates the deflated entries of a zip archive (RFC 1951). What an entry claims is checked against what deflate can reach and
/// against <see cref="CheckpointLimits.InflatedBytes"/> before memory is taken. The entries asked for last are kept, as many as fit into
/// that limit together, so that several threads that read several entries part by part inflate each once.
/// </summary>
internal sealed class ZipInflater(ByteSource bytes)
{
    /// <summary>The method of deflated entries.</summary>
    public const int Deflated = 8;

    // Two bits stand for 258 bytes at the best.
    private const long BestRatio = 1032;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Kept>> _nodes = new(StringComparer.Ordinal);
    private readonly LinkedList<Kept> _kept = [];
    private long _total;

    /// <summary>All of an entry, checked against its CRC-32.</summary>
    /// <param name="entry">A deflated entry.</param>
    /// <param name="start">Where its compressed bytes begin.</param>
    /// <exception cref="CheckpointException">It is damaged or claims more than the limits.</exception>
    public byte[] Inflate(ZipEntry entry, long start)
    {
        CheckClaim(entry);
        Kept kept;
        lock (_lock) kept = Keep(entry, start);
        // Outside the lock, so that different entries are inflated at the same time.
        return kept.Content.Value;
    }

    /// <summary>The first bytes of an entry.</summary>
    /// <param name="entry">A deflated entry.</param>
    /// <param name="start">Where its compressed bytes begin.</param>
    /// <param name="count">How many; at most the entry's length.</param>
    /// <exception cref="CheckpointException">It is damaged or claims more than the limits.</exception>
    public byte[] Begin(ZipEntry entry, long start, int count)
    {
        CheckClaim(entry);
        using var deflated = Open(entry, start);
        return Take(entry, deflated, count);
    }

    private Kept Keep(ZipEntry entry, long start)
    {
        if (_nodes.TryGetValue(entry.Name, out var node))
        {
            _kept.Remove(node);
        }
        else
        {
            node = new(new Kept(entry, new Lazy<byte[]>(() => Whole(entry, start))));
            _nodes.Add(entry.Name, node);
            _total += entry.Length;
        }

        _kept.AddLast(node);
        while (_total > CheckpointLimits.InflatedBytes)
        {
            var oldest = _kept.First!.Value.Entry;
            _kept.RemoveFirst();
            _nodes.Remove(oldest.Name);
            _total -= oldest.Length;
        }

        return node.Value;
    }

    private byte[] Whole(ZipEntry entry, long start)
    {
        using var deflated = Open(entry, start);
        var content = Take(entry, deflated, (int)entry.Length);
        if (Fill(entry, deflated, new byte[1]) > 0)
            throw bytes.Error($"entry {entry.Name} is damaged: it inflates to more than the {entry.Length} bytes that it claims");
        var sum = Crc32.HashToUInt32(content);
        if (sum != entry.Crc)
            throw bytes.Error($"entry {entry.Name} is damaged: its CRC-32 is {sum:x8} instead of {entry.Crc:x8}; copy or download it again");
        return content;
    }

    private void CheckClaim(ZipEntry entry)
    {
        // Compressed lies within the file, so this cannot overflow.
        if (entry.Length > BestRatio * entry.Compressed)
        {
            throw bytes.Error(
                $"refused: entry {entry.Name} claims to inflate {entry.Compressed} bytes to {entry.Length}, more than deflate can");
        }

        if (entry.Length > CheckpointLimits.InflatedBytes)
        {
            throw bytes.Error(
                $"entry {entry.Name} inflates to {entry.Length} bytes; the limit is {CheckpointLimits.InflatedBytes}: save it without compression");
        }
    }

    private DeflateStream Open(ZipEntry entry, long start) =>
        new(new ByteSourceStream(bytes, start, entry.Compressed), CompressionMode.Decompress);

    private byte[] Take(ZipEntry entry, DeflateStream deflated, int count)
    {
        var content = new byte[count];
        var got = Fill(entry, deflated, content);
        if (got < count) throw bytes.Error($"entry {entry.Name} is damaged: it inflates to {got} bytes, less than it claims");
        return content;
    }

    private int Fill(ZipEntry entry, DeflateStream deflated, byte[] content)
    {
        try
        {
            return deflated.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw bytes.Error($"entry {entry.Name} is damaged: its deflated bytes break the rules; copy or download it again", e);
        }
    }

    private sealed record Kept(ZipEntry Entry, Lazy<byte[]> Content);
}
