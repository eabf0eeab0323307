using Microsoft.Win32.SafeHandles;

namespace Frostline.Staging;

/// <summary>
/// Appends records to a shard, which belongs to this object alone until it is disposed. The data of a record is written before its
/// entry, so that a process that ends in between leaves a slot that nothing refers to; it is never used again.
/// </summary>
internal sealed class ShardWriter : IDisposable
{
    private readonly SafeFileHandle _lock;
    private readonly SafeFileHandle?[] _data;
    private readonly FeatureSchema _schema;
    private readonly byte[] _entry = new byte[IndexEntry.Size];
    private readonly long _seed;
    private SafeFileHandle? _index;

    private ShardWriter(SafeFileHandle shardLock, int number, FeatureSchema schema, long seed)
    {
        (_lock, Number, _schema, _seed) = (shardLock, number, schema, seed);
        _data = new SafeFileHandle?[schema.Tensors.Count];
    }

    public int Number { get; }

    /// <summary>Takes the first shard that has no writer, one that a process left behind too; makes a new one where all have.</summary>
    /// <exception cref="IOException">It cannot be taken or made.</exception>
    public static ShardWriter Take(string folder, FeatureSchema schema, long seed)
    {
        for (var number = 0; number < StoreFiles.MostShards; number++)
            if (TryTake(folder, number, schema, seed) is { } writer) return writer;
        throw new IOException($"all {StoreFiles.MostShards} shards of {folder} have a writer");
    }

    /// <summary>Takes a shard, and makes those of its files that are missing; null where it has a writer.</summary>
    /// <exception cref="IOException">It cannot be taken or made.</exception>
    public static ShardWriter? TryTake(string folder, int number, FeatureSchema schema, long seed)
    {
        if (StoreFiles.TryLock(StoreFiles.ShardLock(folder, number)) is not { } shardLock) return null;
        var writer = new ShardWriter(shardLock, number, schema, seed);
        try
        {
            writer.OpenFiles(folder);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Writes a record and then its entry.</summary>
    /// <param name="shard">The same shard, with all its entries read.</param>
    /// <param name="key">The record's key.</param>
    /// <param name="row">Which row of the sources it is.</param>
    /// <param name="rows">For each tensor the rows.</param>
    /// <returns>The entry.</returns>
    /// <exception cref="IOException">It cannot be written; nothing refers to what has been.</exception>
    public IndexEntry Append(Shard shard, FeatureKey key, int row, ReadOnlySpan<ReadOnlyMemory<byte>> rows)
    {
        var slot = Math.Max(shard.SlotsInIndex, shard.FreeSlot);
        for (var i = 0; i < _data.Length; i++)
            RandomAccess.Write(_data[i]!, _schema.Row(rows[i].Span, i, row), slot * FeatureSchema.Stride(_schema.Sizes[i]));
        var entry = new IndexEntry(key, slot, _schema.Checksum(row, rows));
        entry.Write(_entry, _seed);
        var position = shard.WholeEntries;
        RandomAccess.Write(_index!, _entry, position * IndexEntry.Size);
        shard.Wrote(position, slot);
        return entry;
    }

    /// <summary>Overwrites an entry with zeros, by which its record is gone.</summary>
    public void Erase(long entry)
    {
        Array.Clear(_entry);
        RandomAccess.Write(_index!, _entry, entry * IndexEntry.Size);
    }

    /// <summary>Waits until everything is on the disk, data first.</summary>
    public void Flush()
    {
        foreach (var file in _data) RandomAccess.FlushToDisk(file!);
        RandomAccess.FlushToDisk(_index!);
    }

    public void Dispose()
    {
        _index?.Dispose();
        foreach (var file in _data) file?.Dispose();
        _lock.Dispose();
    }

    // The index last: where there is one, readers expect the rest.
    private void OpenFiles(string folder)
    {
        for (var i = 0; i < _data.Length; i++)
            _data[i] = StoreFiles.OpenShared(StoreFiles.Data(folder, Number, i), FileAccess.ReadWrite, create: true);
        _index = StoreFiles.OpenShared(StoreFiles.Index(folder, Number), FileAccess.ReadWrite, create: true);
    }
}
