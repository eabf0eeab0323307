namespace Frostline.Checkpoints;

/// <summary>
/// What reading a checkpoint may cost at the most, whatever the file says. Sizes that a file claims are checked against the
/// file's own length first; these limits bound what remains.
/// </summary>
public static class CheckpointLimits
{
    /// <summary>The longest safetensors header in bytes: the format's own limit.</summary>
    public const long SafetensorsHeaderBytes = SafetensorsHeader.MaximumLength;

    /// <summary>The longest index of a sharded safetensors set in bytes (100 MB, as for a header; 10,000 tensors take about 1 MB).</summary>
    public const long SafetensorsIndexBytes = SafetensorsHeader.MaximumLength;

    /// <summary>The longest pickle in bytes (64 MiB; a network of 10,000 tensors takes about 1.5 MB).</summary>
    public const int PickleBytes = 64 << 20;

    /// <summary>The memory that a pickle's values may take, in bytes as estimated (256 MiB).</summary>
    public const long PickleMemory = 256L << 20;

    /// <summary>The most entries of a zip archive.</summary>
    public const int ZipEntries = 1_000_000;

    /// <summary>The most members of a tar archive (PyTorch's have four).</summary>
    public const int TarMembers = 64;

    /// <summary>
    /// What one deflated entry of a zip archive may inflate to, in bytes (1 GiB), and what the entries that are kept in memory take
    /// together. It is also never more than deflate itself can reach: 1,032 times its length in the archive.
    /// </summary>
    public const long InflatedBytes = 1L << 30;

    /// <summary>The longest header of a NumPy array in bytes (1 MiB; that of an array of numbers takes about 100).</summary>
    public const int NumpyHeaderBytes = 1 << 20;

    /// <summary>The deepest nesting of dictionaries and lists.</summary>
    public const int Depth = 64;

    /// <summary>
    /// The most values, tensors among them, that nested dictionaries and lists may show; a value counts once for each way to
    /// reach it.
    /// </summary>
    public const int Values = 2_000_000;

    /// <summary>The most characters of all those values' names together.</summary>
    public const int NameCharacters = 64_000_000;

    /// <summary>The most dimensions of a tensor (PyTorch's own limit is 64).</summary>
    public const int Rank = 64;

    /// <summary>
    /// A tensor that reads its storage more than once (stride 0, overlapping windows) may unfold to this many bytes (64 MiB), or
    /// to four times the file's length if that is more.
    /// </summary>
    public const long UnfoldedBytes = 64L << 20;
}
