namespace Frostline.Staging;

/// <summary>All feature stores of a root: what there is, whether it is sound, and what may go.</summary>
public static class FeatureStores
{
    /// <summary>How many bytes may still be written to the stores under a root before a limit ends it.</summary>
    /// <param name="root">The folder of all stores; it is made where it is missing.</param>
    /// <param name="options">The limits.</param>
    /// <exception cref="FeatureStoreException">The folder cannot be made or looked at.</exception>
    public static long Room(string root, FeatureStoreOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(options);
        return StoreFiles.Guard(root, () =>
        {
            Directory.CreateDirectory(root);
            return WriteLimits.Room(root, options);
        });
    }

    private static readonly Dictionary<string, string> s_noDescription = [];

    /// <summary>The stores of a root, by identity; none where the folder does not exist.</summary>
    /// <param name="root">The folder of all stores, see <see cref="FeatureStoreLocation.Root(string?)"/>.</param>
    /// <exception cref="FeatureStoreException">The folder cannot be read.</exception>
    public static IReadOnlyList<FeatureStoreInfo> List(string root) =>
        StoreFiles.Guard(root, () => Each(root, Describe));

    /// <summary>Compares every record of every store with its checksum. Stores may be in use meanwhile.</summary>
    /// <param name="root">The folder of all stores.</param>
    /// <param name="drop">Whether damaged records are erased, unless a process is writing to their shard; else they are counted.</param>
    /// <param name="cancellation">Ends it between two records.</param>
    /// <exception cref="FeatureStoreException">A folder cannot be read, or not written where damaged records are to be erased.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<FeatureStoreVerification> Verify(string root, bool drop = false, CancellationToken cancellation = default) =>
        StoreFiles.Guard(root, () => Each(root, folder => new StoreVerifier(folder, drop, cancellation).Run()));

    /// <summary>
    /// Removes stores: those that nobody has used for some time, and then those that were not used for longest until the rest fits.
    /// A store that a process has open stays.
    /// </summary>
    /// <param name="root">The folder of all stores.</param>
    /// <param name="olderThan">Remove what was last used longer ago than this; null to go by size alone.</param>
    /// <param name="maximumBytes">How much the stores may take together; null to go by age alone.</param>
    /// <returns>What was removed, in that order.</returns>
    /// <exception cref="FeatureStoreException">A folder cannot be read or removed.</exception>
    public static IReadOnlyList<FeatureStoreInfo> Prune(string root, TimeSpan? olderThan, long? maximumBytes) =>
        StoreFiles.Guard(root, () =>
        {
            if (!Directory.Exists(root)) return (IReadOnlyList<FeatureStoreInfo>)[];
            var removed = new List<FeatureStoreInfo>();
            using (StoreFiles.Lock(Path.Combine(root, StoreFiles.RootLock)))
            {
                var stores = Each(root, Describe).OrderBy(store => store.LastUsed).ToList();
                var (total, now) = (stores.Sum(store => store.Bytes), DateTimeOffset.UtcNow);
                foreach (var store in stores)
                {
                    var goes = now - store.LastUsed > olderThan || total > maximumBytes;
                    if (!goes || !TrySetAside(store)) continue;
                    total -= store.Bytes;
                    removed.Add(store);
                }
            }

            // Those too that a process set aside and was ended before it had deleted them.
            foreach (var folder in Directory.EnumerateDirectories(root, $"{StoreFiles.Removed}*"))
                Directory.Delete(folder, recursive: true);
            return removed;
        });

    /// <summary>Whether a process has a store open.</summary>
    private static bool IsInUse(string folder)
    {
        using var held = StoreFiles.TryLock(Path.Combine(folder, StoreFiles.InUse));
        return held is null;
    }

    // Nobody can open it meanwhile, because that takes the lock of the root.
    private static bool TrySetAside(FeatureStoreInfo store)
    {
        if (IsInUse(store.Folder)) return false;
        Directory.Move(store.Folder, Path.Combine(Path.GetDirectoryName(store.Folder)!, $"{StoreFiles.Removed}{Guid.NewGuid():N}"));
        return true;
    }

    private static IReadOnlyList<string> Folders(string root) => !Directory.Exists(root)
        ? []
        : [.. Directory.EnumerateDirectories(Path.GetFullPath(root))
            .Where(folder => StoreFiles.IsIdentity(Path.GetFileName(folder)) && File.Exists(Path.Combine(folder, StoreFiles.InUse)))
            .Order(StringComparer.Ordinal)];

    private static List<T> Each<T>(string root, Func<string, T> look)
    {
        var results = new List<T>();
        foreach (var folder in Folders(root))
        {
            try
            {
                results.Add(look(folder));
            }
            catch (DirectoryNotFoundException)
            {
                // Another process has removed it meanwhile.
            }
        }

        return results;
    }

    private static FeatureStoreInfo Describe(string folder)
    {
        var identity = Path.GetFileName(folder);
        var (manifest, problem) = StoreVerifier.ReadManifest(folder);
        var lastUsed = new DateTimeOffset(File.GetLastWriteTimeUtc(Path.Combine(folder, StoreFiles.InUse)));
        return new FeatureStoreInfo(
            identity,
            folder,
            manifest?.Description ?? s_noDescription,
            manifest?.Schema,
            manifest is null ? 0 : CountRecords(folder, manifest),
            DiskSpace.Used(folder),
            lastUsed,
            IsInUse(folder),
            problem);
    }

    private static long CountRecords(string folder, StoreManifest manifest)
    {
        long records = 0;
        foreach (var number in StoreFiles.Shards(folder))
        {
            try
            {
                using var shard = new Shard(folder, number, manifest.Schema, manifest.Seed);
                shard.ReadEntries((_, entry) => records += entry is null ? 0 : 1);
            }
            catch (FileNotFoundException)
            {
                // Without all files of the shard there are no records in it.
            }
        }

        return records;
    }
}
