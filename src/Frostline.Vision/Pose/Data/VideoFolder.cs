using System.Globalization;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>Frames of a video as numbered image files in a folder.</summary>
internal static class VideoFolder
{
    /// <summary>The video that a frame belongs to, which is its folder, and its number, which is the file's name.</summary>
    /// <param name="name">The frame's path as annotations write it.</param>
    /// <returns>The folder, empty for none; and the number, null where the name is none.</returns>
    public static (string Video, int? Number) Place(string name)
    {
        var slash = name.LastIndexOfAny(['/', '\\']);
        var stem = System.IO.Path.GetFileNameWithoutExtension(name[(slash + 1)..]);
        var isNumber = int.TryParse(stem, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        return (slash < 0 ? "" : name[..slash].Replace('\\', '/'), isNumber ? number : null);
    }

    /// <summary>The numbered image files of a folder; none where it does not exist or cannot be read.</summary>
    public static IEnumerable<(int Number, string Path)> FramesIn(string folder)
    {
        string[] files;
        try
        {
            files = Directory.Exists(folder) ? Directory.GetFiles(folder) : [];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            files = [];
        }

        foreach (var file in files.Order(StringComparer.Ordinal))
            if (ImageFile.Extensions.Contains(System.IO.Path.GetExtension(file)) && Place(file).Number is { } number) yield return (number, file);
    }
}
