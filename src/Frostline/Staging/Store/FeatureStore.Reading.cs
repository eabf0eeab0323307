using System.Buffers;

namespace Frostline.Staging;

/// <content>Reading: one record, many in parallel, and ahead of time.</content>
public sealed partial class FeatureStore
{
    // Fewer records a thread are not worth starting it.
    private const int LeastAThread = 16;

    /// <summary>Reads one record.</summary>
    /// <param name="key">The record's key.</param>
    /// <param name="destinations">For each tensor of the schema room for its bytes.</param>
    /// <returns>False where the record is absent, or damaged, which is the same; the destinations are zero then, or untouched.</returns>
    /// <exception cref="ArgumentException">There are not as many destinations as tensors, or one is too small.</exception>
    public bool TryRead(FeatureKey key, params ReadOnlySpan<Memory<byte>> destinations)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (var i = 0; i < Schema.Sizes.Count; i++)
            RequireRoom(nameof(destinations), destinations.Length, LengthAt(destinations, i), i, rows: 1);
        var found = TryCopy(key, _index.Find(key), 0, destinations);
        Interlocked.Increment(ref found ? ref _hits : ref _misses);
        return found;
    }

    /// <summary>Reads many records into one buffer a tensor, in the order of the keys and without gaps, on several threads.</summary>
    /// <param name="keys">The records' keys.</param>
    /// <param name="destinations">For each tensor of the schema room for as many records as there are keys.</param>
    /// <param name="found">
    /// Says for each key whether its record was there. The rows of those that were not are zero or untouched.
    /// </param>
    /// <returns>How many were there.</returns>
    /// <exception cref="ArgumentException">
    /// There are not as many destinations as tensors, or one, or <paramref name="found"/>, is too small.
    /// </exception>
    public int ReadBatch(ReadOnlyMemory<FeatureKey> keys, ReadOnlySpan<Memory<byte>> destinations, Memory<bool> found)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (var i = 0; i < Schema.Sizes.Count; i++)
            RequireRoom(nameof(destinations), destinations.Length, LengthAt(destinations, i), i, keys.Length);
        if (found.Length < keys.Length)
            throw new ArgumentException($"there are {keys.Length} keys and room for {found.Length} answers", nameof(found));
        var batch = new Batch(keys, [.. destinations], found, ArrayPool<Located>.Shared.Rent(keys.Length));
        _index.Find(keys.Span, batch.Places);
        var threads = Math.Min(_options.ReadThreads, keys.Length / LeastAThread);
        if (threads <= 1) Read(batch, 0, keys.Length);
        else Parallel.For(0, threads, part => Read(batch, Start(part), Start(part + 1)));
        ArrayPool<Located>.Shared.Return(batch.Places, clearArray: true);
        var hits = found.Span[..keys.Length].Count(true);
        Interlocked.Add(ref _hits, hits);
        Interlocked.Add(ref _misses, keys.Length - hits);
        return hits;

        int Start(int part) => (int)((long)keys.Length * part / threads);
    }

    /// <summary>
    /// Begins to read records into the system's cache, in the order in which they lie on the disk, so that reading them soon does not
    /// wait. Where the system takes no such advice (outside Linux) it returns when they are there.
    /// </summary>
    /// <param name="keys">The records' keys in any order; absent ones are passed over.</param>
    public void Prefetch(ReadOnlySpan<FeatureKey> keys)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var places = new Located[keys.Length];
        _index.Find(keys, places);
        var byShard = places.Where(place => place.Shard is not null).GroupBy(place => place.Shard!).OrderBy(group => group.Key.Number);
        foreach (var shard in byShard)
        {
            long first = 0, end = 0;
            foreach (var slot in shard.Select(place => place.Slot).Order())
            {
                if (slot > end || end == 0)
                {
                    if (end > first) shard.Key.Prefetch(first, end - first);
                    first = slot;
                }

                end = slot + 1;
            }

            shard.Key.Prefetch(first, end - first);
        }
    }

    private void Read(Batch batch, int start, int end)
    {
        var keys = batch.Keys.Span;
        var found = batch.Found.Span;
        for (var i = start; i < end; i++) found[i] = TryCopy(keys[i], batch.Places[i], i, batch.Destinations);
    }

    private bool TryCopy(FeatureKey key, Located place, int row, ReadOnlySpan<Memory<byte>> destinations)
    {
        while (place.Shard is { } shard)
        {
            if (shard.TryCopy(place.Slot, row, destinations))
            {
                if (place.Verified) return true;
                if (Schema.Checksum(row, destinations) == place.Checksum)
                {
                    _index.MarkVerified(place.Position);
                    return true;
                }
            }

            // What was read is no record; nobody shall take it for one.
            for (var i = 0; i < destinations.Length; i++) Schema.Row(destinations[i].Span, i, row).Clear();
            if (_index.Drop(key, place.Position)) Interlocked.Increment(ref _dropped);
            place = _index.Find(key);
        }

        return false;
    }

    private static int LengthAt(ReadOnlySpan<Memory<byte>> buffers, int i) => i < buffers.Length ? buffers[i].Length : 0;

    private void RequireRoom(string name, int buffers, int length, int tensor, int rows)
    {
        if (buffers != Schema.Sizes.Count)
            throw new ArgumentException($"a record has {Schema.Sizes.Count} tensors, and {buffers} buffers are given", name);
        var needed = (long)Schema.Sizes[tensor] * rows;
        if (length >= needed) return;
        throw new ArgumentException(
            $"{rows} records of \"{Schema.Tensors[tensor].Name}\" take {needed} bytes, and the buffer has {length}", name);
    }

    private sealed record Batch(ReadOnlyMemory<FeatureKey> Keys, Memory<byte>[] Destinations, Memory<bool> Found, Located[] Places);
}
