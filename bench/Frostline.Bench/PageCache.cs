using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Frostline.Bench;

/// <summary>The system's cache of files.</summary>
internal static partial class PageCache
{
    private const int DontNeed = 4;

    /// <summary>Has the system forget what it holds of a store's records, so that they are read from the disk; does nothing on other systems than Linux.</summary>
    /// <param name="folder">The folder of the store.</param>
    public static void Evict(string folder)
    {
        if (!OperatingSystem.IsLinux()) return;
        foreach (var path in Directory.GetFiles(folder, "*.data", SearchOption.AllDirectories))
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            // What is not written to the disk yet stays in the cache.
            RandomAccess.FlushToDisk(file);
            _ = posix_fadvise(file, 0, 0, DontNeed);
        }
    }

    [LibraryImport("libc.so.6")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);
}
