namespace Frostline.Staging;

/// <content>Writing: record by record, until a limit is reached.</content>
public sealed partial class FeatureStore
{
    private ShardWriter? _writer;
    private Shard? _own;

    /// <summary>Writes one record; one that is there already is left alone.</summary>
    /// <param name="key">The record's key.</param>
    /// <param name="tensors">For each tensor of the schema its bytes.</param>
    /// <returns>Whether the record is in the store now; false once <see cref="WritingStopped"/> says why.</returns>
    /// <exception cref="ArgumentException">There are not as many buffers as tensors, or one is too small.</exception>
    public bool Write(FeatureKey key, params ReadOnlySpan<ReadOnlyMemory<byte>> tensors) => WriteBatch([key], tensors) == 1;

    /// <summary>Writes many records, one after the other; those that are there already are left alone.</summary>
    /// <param name="keys">The records' keys.</param>
    /// <param name="tensors">For each tensor of the schema the records' bytes, in the order of the keys and without gaps.</param>
    /// <returns>How many of them are in the store now; fewer than keys once <see cref="WritingStopped"/> says why.</returns>
    /// <exception cref="ArgumentException">There are not as many buffers as tensors, or one is too small.</exception>
    public int WriteBatch(ReadOnlySpan<FeatureKey> keys, params ReadOnlySpan<ReadOnlyMemory<byte>> tensors)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (var i = 0; i < Schema.Sizes.Count; i++)
            RequireRoom(nameof(tensors), tensors.Length, i < tensors.Length ? tensors[i].Length : 0, i, keys.Length);
        var stored = 0;
        lock (_writing)
        {
            for (var row = 0; row < keys.Length; row++)
                if (Contains(keys[row]) || TryWrite(keys[row], row, tensors)) stored++;
        }

        return stored;
    }

    /// <summary>
    /// Waits until everything that was written is on the disk, where it outlasts a failure of the power too; the end of the process
    /// alone loses nothing.
    /// </summary>
    public void Flush()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_writing)
        {
            try
            {
                _writer?.Flush();
            }
            catch (IOException e)
            {
                Stop(e.Message);
            }
        }
    }

    private bool TryWrite(FeatureKey key, int row, ReadOnlySpan<ReadOnlyMemory<byte>> tensors)
    {
        if (WritingStopped is not null) return false;
        try
        {
            var bytes = Schema.Sizes.Sum(FeatureSchema.Stride) + IndexEntry.Size;
            if (_limits.Reserve(bytes) is { } reason) return Stop(reason);
            var (writer, shard) = Writer();
            lock (_loading) _index.Add(writer.Append(shard, key, row, tensors), shard);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Stop(e.Message);
        }
    }

    private (ShardWriter Writer, Shard Shard) Writer()
    {
        if (_writer is { } writer && _own is { } own) return (writer, own);
        _writer ??= ShardWriter.Take(Folder, Schema, _seed);
        lock (_loading)
        {
            // Whoever had the shard before may have written more since this object looked.
            _own = Find(_writer.Number)
                ?? throw new FileNotFoundException($"a file of shard {_writer.Number} has been removed from {Folder}");
            Load(_own);
        }

        return (_writer, _own);
    }

    private bool Stop(string reason)
    {
        WritingStopped = $"{Folder}: nothing more is stored: {reason.ReplaceLineEndings(" ")}";
        return false;
    }
}
