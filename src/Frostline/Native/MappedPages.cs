using System.Runtime.InteropServices;

namespace Frostline.Native;

/// <summary>The pages of a file that is mapped into memory.</summary>
internal static partial class MappedPages
{
    private const int DontNeed = 4;

    /// <summary>
    /// Lets go of the whole pages in a range: they count no longer as this process's memory, and need not be taken apart when the
    /// file is unmapped, which one thread does alone. They come back when they are read again. Does nothing outside Linux.
    /// </summary>
    /// <param name="address">Where the range begins, in a mapping of a file that is only read.</param>
    /// <param name="count">Its length in bytes.</param>
    internal static void Release(nint address, long count)
    {
        if (!OperatingSystem.IsLinux()) return;
        long page = Environment.SystemPageSize;
        var first = (address + page - 1) / page * page;
        var end = (address + count) / page * page;
        // Only advice: where the system does not take it, nothing is lost.
        if (end > first) _ = madvise((nint)first, (nuint)(end - first), DontNeed);
    }

    [LibraryImport("libc.so.6")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int madvise(nint address, nuint length, int advice);
}
