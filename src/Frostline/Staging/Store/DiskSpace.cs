namespace Frostline.Staging;

/// <summary>What files take, and what is left.</summary>
internal static class DiskSpace
{
    /// <summary>The bytes that this user may still write to the disk of a folder.</summary>
    public static long Free(string folder) =>
        new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(folder)! : folder).AvailableFreeSpace;

    /// <summary>The lengths of all files in a folder and below, in bytes; 0 where there is no such folder.</summary>
    public static long Used(string folder)
    {
        long bytes = 0;
        try
        {
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)) bytes += LengthOf(file);
        }
        catch (DirectoryNotFoundException)
        {
            // Another process has removed it, or a store in it.
        }

        return bytes;
    }

    private static long LengthOf(FileInfo file)
    {
        try
        {
            return file.Length;
        }
        catch (FileNotFoundException)
        {
            return 0;
        }
    }
}
