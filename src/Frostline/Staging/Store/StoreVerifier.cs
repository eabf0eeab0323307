namespace Frostline.Staging;

/// <summary>Reads a whole store and compares it with its checksums.</summary>
internal sealed class StoreVerifier(string folder, bool drop, CancellationToken cancellation)
{
    private long _records;
    private long _damaged;
    private long _dropped;
    private string? _problem;

    /// <summary>The manifest, or why there is none to go by.</summary>
    public static (StoreManifest? Manifest, string? Problem) ReadManifest(string folder)
    {
        try
        {
            var manifest = StoreManifest.TryRead(folder);
            if (manifest is null) return (null, "the manifest is missing or damaged; the next training that uses the store writes it anew");
            return manifest.Identity == Path.GetFileName(folder) ? (manifest, null) : (null, "the manifest is that of another store");
        }
        catch (FeatureStoreException e)
        {
            return (null, e.Message);
        }
    }

    public FeatureStoreVerification Run()
    {
        // Held so that nobody takes the store away meanwhile.
        using var inUse = StoreFiles.LockShared(Path.Combine(folder, StoreFiles.InUse));
        (var manifest, _problem) = ReadManifest(folder);
        if (manifest is not null)
            foreach (var number in StoreFiles.Shards(folder)) Verify(manifest, number);
        return new FeatureStoreVerification(Path.GetFileName(folder), folder, _records, _damaged, _dropped, _problem);
    }

    private void Verify(StoreManifest manifest, int number)
    {
        try
        {
            using var writer = drop ? ShardWriter.TryTake(folder, number, manifest.Schema, manifest.Seed) : null;
            using var shard = new Shard(folder, number, manifest.Schema, manifest.Seed);
            Memory<byte>[] record = [.. manifest.Schema.Sizes.Select(size => new byte[size])];
            shard.ReadEntries(
                (position, entry) =>
                {
                    cancellation.ThrowIfCancellationRequested();
                    if (entry is { } valid && shard.TryCopy(valid.Slot, 0, record) && manifest.Schema.Checksum(0, record) == valid.Checksum)
                    {
                        _records++;
                        return;
                    }

                    _damaged++;
                    if (writer is null) return;
                    writer.Erase(position);
                    _dropped++;
                },
                toTheEnd: true);
        }
        catch (FileNotFoundException e)
        {
            _problem = $"{Path.GetFileName(e.FileName)} is missing; the records of shard {number} are lost";
        }
    }
}
