namespace Frostline.Checkpoints;

/// <summary>
/// The files that a checkpoint keeps some of its data in: named in it, lying in its folder, opened once each and closed together.
/// The names come from a file that nobody vouches for, so they have to be plain and may not lead out of the folder. Links in the
/// folder are followed: they are the user's own (Hugging Face's cache consists of them), not the file's.
/// </summary>
internal sealed class SiblingFiles(ByteSource owner) : IDisposable
{
    private const int LongestPart = 255;

    private readonly Dictionary<string, ByteSource> _files = new(StringComparer.Ordinal);

    /// <summary>Opens a file, or returns it if it is open already.</summary>
    /// <param name="path">A file name, or a path of several parts with slashes between them.</param>
    /// <exception cref="CheckpointException">
    /// The path is not plain, there is no such file, or the checkpoint itself is in memory or in a stream and so has no folder.
    /// </exception>
    public ByteSource Open(string path)
    {
        if (_files.TryGetValue(path, out var open)) return open;
        RequireFolder(owner);
        var parts = path.Split('/');
        if (!parts.All(IsPlain))
            throw owner.Error($"names the file \"{Shorten(path)}\", which is not a plain path inside its folder; that is refused");
        if (!File.Exists(Path.Combine([owner.Folder!, .. parts])))
            throw owner.Error($"needs the file \"{path}\", which is not in its folder{Hint(parts)}; copy or download it too");
        var file = ByteSource.Open(Path.Combine([Path.GetDirectoryName(owner.Name) ?? "", .. parts]));
        _files.Add(path, file);
        return file;
    }

    /// <exception cref="CheckpointException">The checkpoint is in memory or in a stream.</exception>
    public static void RequireFolder(ByteSource owner)
    {
        if (owner.Folder is null)
        {
            throw owner.Error(
                "keeps tensors in other files beside it, but is in memory or in a stream and so has no folder; open it by its path");
        }
    }

    /// <summary>
    /// Whether a name is one file's or one folder's on every system: no separators, drives, streams or control characters, not
    /// <c>.</c> or <c>..</c>, and no dot or space at the end, which Windows drops.
    /// </summary>
    public static bool IsPlain(string name) =>
        name.Length is > 0 and <= LongestPart && name[^1] is not ('.' or ' ')
        && name.All(c => !char.IsControl(c) && c is not ('/' or '\\' or ':'));

    public void Dispose()
    {
        foreach (var file in _files.Values) file.Dispose();
        _files.Clear();
    }

    private string Hint(string[] parts)
    {
        var folder = Path.Combine([owner.Folder!, .. parts[..^1]]);
        if (!Directory.Exists(folder)) return "";
        var files = Directory.EnumerateFiles(folder, "*", new EnumerationOptions { IgnoreInaccessible = true });
        return NearestNames.Hint(parts[^1], files.Select(file => Path.GetFileName(file)));
    }

    private static string Shorten(string path) => path.Length <= LongestPart ? path : path[..LongestPart] + "…";
}
