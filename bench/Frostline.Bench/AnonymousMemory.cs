using System.Globalization;

namespace Frostline.Bench;

/// <summary>
/// The physical memory of a process that no file stands behind: what it computes with, and not the libraries and stores that it maps. From
/// <c>/proc</c>, so on Linux only.
/// </summary>
internal static class AnonymousMemory
{
    private const string Entry = "RssAnon:";

    /// <summary>Bytes; 0 where the process has ended, or the system does not tell.</summary>
    public static long Of(int process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith(Entry, StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line[Entry.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * 1024;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
