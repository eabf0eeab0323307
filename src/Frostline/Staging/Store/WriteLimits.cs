namespace Frostline.Staging;

/// <summary>
/// Whether more may be written: how much all stores of a root take, and what is free on the disk. Both are looked up for every 64 MiB
/// that are written; in between only what this process writes is counted.
/// </summary>
internal sealed class WriteLimits(string root, FeatureStoreOptions options)
{
    private const long Step = 64 << 20;

    private long _allowed;

    /// <summary>Asks for room; null where there is some, and else why there is none.</summary>
    public string? Reserve(long bytes)
    {
        if (_allowed < bytes && LookUp(bytes) is { } reason) return reason;
        _allowed -= bytes;
        return null;
    }

    /// <summary>How many bytes may still be written.</summary>
    public static long Room(string root, FeatureStoreOptions options)
    {
        var free = options.FreeBytes(root) - options.MinimumFreeBytes;
        return Math.Max(0, options.MaximumBytes is { } most ? Math.Min(free, most - DiskSpace.Used(root)) : free);
    }

    private string? LookUp(long bytes)
    {
        var free = options.FreeBytes(root) - options.MinimumFreeBytes;
        if (free < bytes)
            return $"fewer than {Text(options.MinimumFreeBytes)} would be left free on the disk of {root}";
        var room = long.MaxValue;
        if (options.MaximumBytes is { } most)
        {
            room = most - DiskSpace.Used(root);
            if (room < bytes) return $"the stores in {root} would take more than {Text(most)}";
        }

        _allowed = Math.Min(Math.Max(Step, bytes), Math.Min(free, room));
        return null;
    }

    private static string Text(long bytes) => FormattableString.Invariant($"{bytes / 1e6:N0} MB");
}
