using Microsoft.Win32.SafeHandles;

namespace Frostline.Staging;

/// <summary>
/// Records of tensors on the disk, addressed by what they were computed from. It takes and gives bytes, row-major and little-endian, and
/// knows nothing of networks.
/// <para>
/// Many threads may read at once, and one may write meanwhile. Several processes may use one store: each that writes has a shard of its
/// own, and readers see whole records only; <see cref="Refresh"/> finds what others have written since. A process may be killed at
/// any moment; what it was writing then is lost, and nothing else. A record whose bytes are not those that were written is absent:
/// checksums are compared when this object first reads a record. Its files must not be made shorter while it is open.
/// </para>
/// </summary>
public sealed partial class FeatureStore : IDisposable
{
    private readonly Lock _loading = new();
    private readonly Lock _writing = new();
    private readonly FeatureIndex _index = new();
    private readonly List<Shard> _shards = [];
    private readonly FeatureStoreOptions _options;
    private readonly WriteLimits _limits;
    private readonly SafeFileHandle _inUse;
    private readonly long _seed;
    private long _hits;
    private long _misses;
    private long _dropped;
    private bool _disposed;

    private FeatureStore(string folder, StoreManifest manifest, FeatureStoreOptions options, SafeFileHandle inUse)
    {
        (Folder, Schema, Identity, Description) = (folder, manifest.Schema, manifest.Identity, manifest.Description);
        (_options, _inUse) = (options, inUse);
        _limits = new WriteLimits(Path.GetDirectoryName(folder)!, options);
        _seed = manifest.Seed;
    }

    /// <summary>The store's folder.</summary>
    public string Folder { get; }

    /// <summary>The hash of everything that its records have in common, as the folder is called.</summary>
    public string Identity { get; }

    /// <summary>What one record is.</summary>
    public FeatureSchema Schema { get; }

    /// <summary>What the store is of, as its manifest says.</summary>
    public IReadOnlyDictionary<string, string> Description { get; }

    /// <summary>How many different records this object knows.</summary>
    public int Count => _index.Count;

    /// <summary>How many bytes the store's files have, those of other processes included.</summary>
    public long Bytes => DiskSpace.Used(Folder);

    /// <summary>How many records were asked for and read.</summary>
    public long Hits => Interlocked.Read(ref _hits);

    /// <summary>How many records were asked for and absent.</summary>
    public long Misses => Interlocked.Read(ref _misses);

    /// <summary>How many damaged records and index entries were found, and are absent.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>
    /// Why nothing more is written, in one line: a limit is reached, or the disk is full; null as long as writing goes on. It stays
    /// what it is until the store is opened again; reading is not touched.
    /// </summary>
    public string? WritingStopped { get; private set; }

    /// <summary>Opens a store, and makes it where there is none.</summary>
    /// <param name="root">The folder of all stores, see <see cref="FeatureStoreLocation.Root(string?)"/>.</param>
    /// <param name="identity">
    /// The hash of all that the records have in common (weights and structure of the prefix, engine, precision): 32 lower-case
    /// hexadecimal digits.
    /// </param>
    /// <param name="schema">What one record is.</param>
    /// <param name="options">How it is used; null for the defaults.</param>
    /// <exception cref="FeatureStoreException">
    /// The folder cannot be read or written, or holds a store of this identity with other tensors or of a newer format.
    /// </exception>
    public static FeatureStore Open(string root, string identity, FeatureSchema schema, FeatureStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(schema);
        if (!StoreFiles.IsIdentity(identity))
            throw new ArgumentException("an identity is 32 lower-case hexadecimal digits", nameof(identity));
        options ??= new FeatureStoreOptions();
        var folder = Path.Combine(Path.GetFullPath(root), identity);
        return StoreFiles.Guard(folder, () => Open(folder, new StoreManifest(identity, schema, options.Description), options));
    }

    /// <summary>Whether there is a record, as far as the index says; its bytes are looked at when it is read.</summary>
    /// <param name="key">The record's key.</param>
    public bool Contains(FeatureKey key) => _index.Find(key).Position >= 0;

    /// <summary>Finds records that other processes have written since the store was opened or refreshed.</summary>
    /// <returns>How many records became known.</returns>
    /// <exception cref="FeatureStoreException">The folder cannot be read.</exception>
    public int Refresh()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return StoreFiles.Guard(Folder, () =>
        {
            var before = Count;
            lock (_loading)
            {
                foreach (var number in StoreFiles.Shards(Folder)) Find(number);
                foreach (var shard in _shards) Load(shard);
            }

            return Math.Max(0, Count - before);
        });
    }

    /// <summary>Lets go of the files, and of the shard that it writes to. No other member may be in use meanwhile.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _writer?.Dispose();
        foreach (var shard in _shards) shard.Dispose();
        Touch(Folder);
        _inUse.Dispose();
    }

    private static FeatureStore Open(string folder, StoreManifest wanted, FeatureStoreOptions options)
    {
        var root = Path.GetDirectoryName(folder)!;
        Directory.CreateDirectory(root);
        SafeFileHandle inUse;
        StoreManifest manifest;
        // Nobody takes a store away between the making of its folder and the lock that says that it is in use.
        using (StoreFiles.Lock(Path.Combine(root, StoreFiles.RootLock)))
        {
            Directory.CreateDirectory(folder);
            inUse = StoreFiles.LockShared(Path.Combine(folder, StoreFiles.InUse));
            try
            {
                manifest = ReadOrWrite(folder, wanted);
                Touch(folder);
            }
            catch
            {
                inUse.Dispose();
                throw;
            }
        }

        var store = new FeatureStore(folder, manifest, options, inUse);
        try
        {
            store.Refresh();
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>The folder's manifest; a missing or damaged one is written anew, and the checks in the indices have to agree with it.</summary>
    private static StoreManifest ReadOrWrite(string folder, StoreManifest wanted)
    {
        if (StoreManifest.TryRead(folder) is { } found && found.Identity == wanted.Identity)
        {
            if (found.Schema.Matches(wanted.Schema)) return found;
            throw new FeatureStoreException(
                $"{folder}: holds records with other tensors than those that are to be stored under the same identity; remove the folder");
        }

        wanted.Write(folder);
        return wanted;
    }

    private static void Touch(string folder)
    {
        try
        {
            File.SetLastWriteTimeUtc(Path.Combine(folder, StoreFiles.InUse), DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It only tells how long ago the store was used.
        }
    }

    /// <summary>The shard of a number, opened where it was not; null where files of it are missing.</summary>
    private Shard? Find(int number)
    {
        if (_shards.Find(shard => shard.Number == number) is { } known) return known;
        try
        {
            var shard = new Shard(Folder, number, Schema, _seed, _options.SegmentBytes);
            _shards.Add(shard);
            return shard;
        }
        catch (FileNotFoundException)
        {
            // None of its records can be read without the file; a writer that takes the shard makes it anew.
            return null;
        }
    }

    private void Load(Shard shard) => shard.ReadEntries((_, entry) =>
    {
        if (entry is { } valid) _index.Add(valid, shard);
        else Interlocked.Increment(ref _dropped);
    });
}
