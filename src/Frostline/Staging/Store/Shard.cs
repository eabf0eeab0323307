using Microsoft.Win32.SafeHandles;

namespace Frostline.Staging;

/// <summary>
/// One shard as readers see it: an index that grows, and one <see cref="TensorFile"/> a tensor. Records may be copied from many
/// threads; entries are read by one thread at a time.
/// </summary>
internal sealed class Shard : IDisposable
{
    private const int EntriesAtOnce = 4096;

    private readonly SafeFileHandle _index;
    private readonly TensorFile[] _tensors;
    private readonly FeatureSchema _schema;
    private readonly long _seed;

    /// <summary>Opens a shard that exists.</summary>
    /// <exception cref="IOException">One of its files is missing or cannot be opened.</exception>
    public Shard(string folder, int number, FeatureSchema schema, long seed, long segmentBytes = TensorFile.DefaultSegmentBytes)
    {
        (Number, _schema, _seed) = (number, schema, seed);
        _tensors = new TensorFile[schema.Tensors.Count];
        try
        {
            _index = StoreFiles.OpenShared(StoreFiles.Index(folder, number), FileAccess.Read);
            for (var i = 0; i < _tensors.Length; i++)
                _tensors[i] = new TensorFile(StoreFiles.Data(folder, number, i), schema.Sizes[i], segmentBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Number { get; }

    /// <summary>How many entries, valid or not, have been read from the index or written to it by this process.</summary>
    public long Read { get; private set; }

    /// <summary>The first entry of the index that is not whole: where the next one belongs.</summary>
    public long WholeEntries => RandomAccess.GetLength(_index) / IndexEntry.Size;

    /// <summary>The first slot that nothing was ever written to, as far as the data files say.</summary>
    public long FreeSlot => _tensors.Max(tensor => tensor.FreeSlot);

    /// <summary>The least slot behind those of all valid entries that were read.</summary>
    public long SlotsInIndex { get; private set; }

    /// <summary>Reads the entries that were written since the last time.</summary>
    /// <param name="visit">
    /// Takes the number of each entry, and the entry; null for one that was changed or has no data. Entries that were erased are
    /// passed over.
    /// </param>
    /// <param name="toTheEnd">
    /// Whether entries behind the last valid one are visited too; else they are looked at again the next time, because they may be in
    /// the making.
    /// </param>
    public void ReadEntries(Action<long, IndexEntry?> visit, bool toTheEnd = false)
    {
        // Data is written before its entry, so the files reach at least as far as the entries that are seen now.
        var end = WholeEntries;
        foreach (var tensor in _tensors) tensor.UpdateLength();
        var whole = _tensors.Min(tensor => tensor.WholeSlots);
        var buffer = new byte[EntriesAtOnce * IndexEntry.Size];
        var waiting = new List<long>();
        for (long at = Read, count; at < end && (count = ReadBytes(buffer, at, end)) > 0; at += count)
        {
            for (var i = 0; i < count; i++)
            {
                var bytes = buffer.AsSpan(i * IndexEntry.Size, IndexEntry.Size);
                if (!IndexEntry.TryRead(bytes, _seed, out var entry))
                {
                    if (bytes.ContainsAnyExcept((byte)0)) waiting.Add(at + i);
                    continue;
                }

                // Entries before a valid one were complete, so what is invalid among them will stay so.
                Settle(visit, waiting, at + i + 1);
                SlotsInIndex = Math.Max(SlotsInIndex, entry.Slot + 1);
                visit(at + i, entry.Slot < whole ? entry : null);
            }
        }

        if (toTheEnd) Settle(visit, waiting, end);
    }

    /// <summary>Copies a record's tensors; false where one cannot be read.</summary>
    /// <param name="slot">The record's slot.</param>
    /// <param name="row">Which row of the destinations it goes to.</param>
    /// <param name="destinations">For each tensor room for the rows.</param>
    public bool TryCopy(long slot, int row, ReadOnlySpan<Memory<byte>> destinations)
    {
        for (var i = 0; i < _tensors.Length; i++)
            if (!_tensors[i].TryCopy(slot, _schema.Row(destinations[i].Span, i, row))) return false;
        return true;
    }

    /// <summary>Begins to read some records into the page cache.</summary>
    public void Prefetch(long slot, long count)
    {
        foreach (var tensor in _tensors) tensor.Prefetch(slot, count);
    }

    /// <summary>Notes that this process has written an entry.</summary>
    public void Wrote(long entry, long slot)
    {
        (Read, SlotsInIndex) = (entry + 1, slot + 1);
        foreach (var tensor in _tensors) tensor.UpdateLength();
    }

    public void Dispose()
    {
        _index?.Dispose();
        foreach (var tensor in _tensors) tensor?.Dispose();
    }

    private void Settle(Action<long, IndexEntry?> visit, List<long> invalid, long read)
    {
        foreach (var number in invalid) visit(number, null);
        invalid.Clear();
        Read = read;
    }

    private int ReadBytes(byte[] buffer, long entry, long end)
    {
        var wanted = (int)Math.Min(EntriesAtOnce, end - entry) * IndexEntry.Size;
        var count = 0;
        while (count < wanted)
        {
            var more = RandomAccess.Read(_index, buffer.AsSpan(count, wanted - count), (entry * IndexEntry.Size) + count);
            if (more == 0) break;
            count += more;
        }

        return count / IndexEntry.Size;
    }
}
