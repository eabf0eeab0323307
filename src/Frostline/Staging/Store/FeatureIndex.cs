namespace Frostline.Staging;

/// <summary>Where a record lies.</summary>
/// <param name="Position">Its number in the <see cref="FeatureIndex"/>; -1 where there is no such record.</param>
/// <param name="Shard">The shard that holds it.</param>
/// <param name="Slot">Its slot there.</param>
/// <param name="Checksum">The hash of its bytes.</param>
/// <param name="Verified">Whether this process has compared the bytes with it.</param>
internal readonly record struct Located(int Position, Shard? Shard, long Slot, UInt128 Checksum, bool Verified)
{
    public static readonly Located Nowhere = new(-1, null, 0, default, false);
}

/// <summary>
/// The records that this process knows, by key. Two processes may have written the same one: the newest known is asked first, and the
/// next where that one turns out to be damaged. Safe from many threads.
/// </summary>
internal sealed class FeatureIndex
{
    private const int None = -1;

    private readonly Lock _gate = new();
    private readonly Dictionary<FeatureKey, int> _newest = [];
    private Record[] _records = [];
    private int _count;

    /// <summary>How many different keys there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _newest.Count;
        }
    }

    public void Add(in IndexEntry entry, Shard shard)
    {
        lock (_gate)
        {
            if (_count == _records.Length) Array.Resize(ref _records, Math.Max(1024, checked(_count * 2)));
            var older = _newest.GetValueOrDefault(entry.Key, None);
            _records[_count] = new Record { Shard = shard, Slot = entry.Slot, Checksum = entry.Checksum, Older = older };
            _newest[entry.Key] = _count++;
        }
    }

    public Located Find(FeatureKey key)
    {
        lock (_gate) return FindInGate(key);
    }

    /// <summary>Finds many under one lock.</summary>
    public void Find(ReadOnlySpan<FeatureKey> keys, Span<Located> found)
    {
        lock (_gate)
        {
            for (var i = 0; i < keys.Length; i++) found[i] = FindInGate(keys[i]);
        }
    }

    public void MarkVerified(int position)
    {
        lock (_gate) _records[position].Verified = true;
    }

    /// <summary>Forgets a damaged record; another one with its key stays.</summary>
    /// <returns>Whether it was still known.</returns>
    public bool Drop(FeatureKey key, int position)
    {
        lock (_gate)
        {
            var at = _newest.GetValueOrDefault(key, None);
            if (at == None) return false;
            if (at == position)
            {
                if (_records[at].Older == None) _newest.Remove(key);
                else _newest[key] = _records[at].Older;
                return true;
            }

            while (_records[at].Older is var older && older != None)
            {
                if (older == position)
                {
                    _records[at].Older = _records[older].Older;
                    return true;
                }

                at = older;
            }

            return false;
        }
    }

    private Located FindInGate(FeatureKey key)
    {
        if (!_newest.TryGetValue(key, out var at)) return Located.Nowhere;
        ref readonly var record = ref _records[at];
        return new Located(at, record.Shard, record.Slot, record.Checksum, record.Verified);
    }

    private record struct Record
    {
        public Shard Shard;
        public UInt128 Checksum;
        public long Slot;
        public int Older;
        public bool Verified;
    }
}
