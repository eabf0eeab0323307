using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Frostline.Native;

/// <summary>Tells the system which parts of a file will be read soon, or not again. Only advice; none is given outside Linux.</summary>
internal static partial class FileAdvice
{
    private const int WillNeedAdvice = 3;
    private const int DontNeedAdvice = 4;

    // Linux reads no more than its largest read-ahead for one piece of advice, by default 128 KiB, and forgets the rest.
    private const long Piece = 128 << 10;

    /// <summary>Begins to read a part of a file into the page cache, without waiting for it.</summary>
    /// <returns>False where the system takes no such advice.</returns>
    internal static bool WillNeed(SafeFileHandle file, long offset, long count)
    {
        if (!OperatingSystem.IsLinux()) return false;
        for (long at = 0; at < count; at += Piece)
            if (posix_fadvise(file, offset + at, Math.Min(Piece, count - at), WillNeedAdvice) != 0) return false;
        return true;
    }

    /// <summary>Takes a file out of the page cache, as far as it has been written to the disk.</summary>
    /// <returns>False where the system takes no such advice.</returns>
    internal static bool DontNeed(SafeFileHandle file) => OperatingSystem.IsLinux() && posix_fadvise(file, 0, 0, DontNeedAdvice) == 0;

    [LibraryImport("libc.so.6")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);
}
