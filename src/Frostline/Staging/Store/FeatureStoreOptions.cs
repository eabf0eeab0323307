namespace Frostline.Staging;

/// <summary>How a <see cref="FeatureStore"/> is used.</summary>
public sealed record FeatureStoreOptions
{
    /// <summary>
    /// How many bytes all stores under the root may take together before writing ends; null for no limit. Other processes that write at
    /// the same time may each go over it by 64 MiB.
    /// </summary>
    public long? MaximumBytes { get; init; }

    /// <summary>How many bytes must stay free on the disk; writing ends before there are fewer. Default 2 GiB.</summary>
    public long MinimumFreeBytes { get; init; } = 2L << 30;

    /// <summary>With how many threads a batch is read. Default: as many as there are processors.</summary>
    public int ReadThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// What the store is of, for people: the network, the stages, the engine. It goes into the manifest of a store that does not exist yet,
    /// and is no part of its identity. No times, and no paths.
    /// </summary>
    public IReadOnlyDictionary<string, string> Description { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>About how many bytes of a file are mapped into memory at a time; tests make it small.</summary>
    internal long SegmentBytes { get; init; } = TensorFile.DefaultSegmentBytes;

    /// <summary>Tells how many bytes are free on the disk of a folder; tests set it.</summary>
    internal Func<string, long> FreeBytes { get; init; } = DiskSpace.Free;
}
