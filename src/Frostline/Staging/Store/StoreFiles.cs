using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Frostline.Staging;

/// <summary>The names of a store's files, and how they are opened.</summary>
internal static class StoreFiles
{
    /// <summary>At most so many shards; one is made where all others have a writer.</summary>
    public const int MostShards = 10_000;

    public const string Manifest = "manifest.json";

    /// <summary>Held shared by every process that has the store open; its time of change is that of the last use.</summary>
    public const string InUse = "in-use.lock";

    /// <summary>In the root: held while a store is opened or taken away.</summary>
    public const string RootLock = "root.lock";

    /// <summary>Begins the name of a folder that is being deleted.</summary>
    public const string Removed = ".removed-";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    public static string Index(string folder, int shard) => Path.Combine(folder, $"{Number(shard)}.index");

    public static string ShardLock(string folder, int shard) => Path.Combine(folder, $"{Number(shard)}.lock");

    public static string Data(string folder, int shard, int tensor) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Number(shard)}.{tensor}.data"));

    /// <summary>The numbers of the shards in a folder, in order.</summary>
    public static IReadOnlyList<int> Shards(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, "*.index")
            .Select(Path.GetFileNameWithoutExtension)
            .Where(name => name is { Length: 4 } && name.All(char.IsAsciiDigit))
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
            .Order(),
    ];

    /// <summary>Whether a name is that of a store: 32 lower-case hexadecimal digits.</summary>
    public static bool IsIdentity(string? name) => name is { Length: 32 } && name.All(char.IsAsciiHexDigitLower);

    /// <summary>Opens a file that others may read and write at the same time, shared on Unix too.</summary>
    public static SafeFileHandle OpenShared(string path, FileAccess access, bool create = false) => File.OpenHandle(
        path, create ? FileMode.OpenOrCreate : FileMode.Open, access, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Takes a lock for this process alone; null where another has it. The system releases it when the process ends.</summary>
    public static SafeFileHandle? TryLock(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (IsTaken(e))
        {
            return null;
        }
    }

    /// <summary>Opens a lock shared, waiting for one who holds it alone, for at most half a minute.</summary>
    public static SafeFileHandle LockShared(string path) => Wait(path, () =>
    {
        try
        {
            return OpenShared(path, FileAccess.ReadWrite, create: true);
        }
        catch (IOException e) when (IsTaken(e))
        {
            return null;
        }
    });

    /// <summary>Takes a lock for this process alone, waiting for others for at most half a minute.</summary>
    public static SafeFileHandle Lock(string path) => Wait(path, () => TryLock(path));

    /// <summary>Runs what opens files; what the system refuses becomes the one error that callers know.</summary>
    public static T Guard<T>(string folder, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new FeatureStoreException(
                $"{folder}: the feature store cannot be used ({e.Message.ReplaceLineEndings(" ")}); give another location, or train without it",
                e);
        }
    }

    // EWOULDBLOCK on Linux and on macOS, ERROR_SHARING_VIOLATION on Windows.
    private static bool IsTaken(IOException error) => (error.HResult & 0xFFFF) is 11 or 35 or 32;

    private static string Number(int shard) => shard.ToString("D4", CultureInfo.InvariantCulture);

    private static SafeFileHandle Wait(string path, Func<SafeFileHandle?> tryLock)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            if (tryLock() is { } handle) return handle;
            if (TimeProvider.System.GetElapsedTime(start) > s_patience)
                throw new IOException($"another process has held {path} for {s_patience.TotalSeconds:F0} s");
            Thread.Sleep(s_pause);
        }
    }
}
