namespace Frostline;

/// <summary>Writes several files that belong together, one of which names the others.</summary>
internal static class AtomicFiles
{
    /// <summary>
    /// Writes them to temporary names, flushes them to the disk and renames them when all are complete, the last one last. A failure
    /// while they are written changes nothing. Where the last one exists it is removed before anything is renamed, so that an old index
    /// never names new files; a crash at that moment leaves no index.
    /// </summary>
    /// <param name="files">The files to create or replace, all in one folder, and what writes the content of each.</param>
    public static void Write(IReadOnlyList<(string Path, Action<Stream> Write)> files)
    {
        var suffix = $".{Environment.ProcessId:x}-{Guid.NewGuid():N}.tmp";
        var paths = files.Select(file => Path.GetFullPath(file.Path)).ToArray();
        try
        {
            for (var i = 0; i < paths.Length; i++)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(paths[i])!);
                using var stream = new FileStream(paths[i] + suffix, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
                files[i].Write(stream);
                stream.Flush(flushToDisk: true);
            }

            if (paths.Length > 0) File.Delete(paths[^1]);
            foreach (var path in paths) File.Move(path + suffix, path, overwrite: true);
        }
        catch
        {
            foreach (var path in paths) File.Delete(path + suffix);
            throw;
        }
    }
}
