using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>A picture in which people are looked for: an image, or a frame of a video with the frames around it.</summary>
/// <param name="Name">What files about it are called, without extension; different for each frame of a job.</param>
/// <param name="Source">What it is called in results: the image's path as given, or the video's.</param>
/// <param name="Number">Its place in the video or folder, from 0; 0 for a lone image.</param>
/// <param name="Pictures">Each gives a picture: the frame itself, then the supporting frames in order.</param>
internal sealed record PoseFrame(string Name, string Source, int Number, IReadOnlyList<Func<ImageField>> Pictures)
{
    /// <summary>Whether it is a frame of a video file, whose boxes are told by its number.</summary>
    public bool IsOfVideo { get; init; }
}

/// <summary>The frames of images, folders and videos.</summary>
/// <param name="supports">Which frames go with a frame.</param>
internal sealed class PoseFrames(SupportFrames supports)
{
    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>How many frames inputs have, as far as their files say.</summary>
    /// <param name="inputs">Images, folders of images and videos.</param>
    /// <exception cref="FrostlineException">One does not exist, has no images or is no video.</exception>
    public static int Count(IReadOnlyList<string> inputs) =>
        inputs.Sum(path => Directory.Exists(path) ? FilesOf(path).Count : IsImage(path) ? 1 : VideoFrames.Open(path).Info.Frames ?? 0);

    /// <summary>The frames, in order. Those of a video file are decoded as they are asked for.</summary>
    /// <param name="inputs">
    /// Images, each by itself; folders, whose images are one sequence in the order of their names; and videos, which is any other file.
    /// </param>
    /// <param name="cancellation">Ends the enumeration.</param>
    public IEnumerable<PoseFrame> Of(IReadOnlyList<string> inputs, CancellationToken cancellation) => inputs.SelectMany(path => Of(path, cancellation));

    private IEnumerable<PoseFrame> Of(string path, CancellationToken cancellation)
    {
        if (Directory.Exists(path))
        {
            return supports.Windows(FilesOf(path).Index()).Select(window => new PoseFrame(
                NameOf(Path.GetRelativePath(path, window[0].Item)), window[0].Item, window[0].Index, [.. window.Select(file => Decoding(file.Item))]));
        }

        if (IsImage(path)) return supports.Windows([path]).Select(window => new PoseFrame(NameOf(Path.GetFileName(path)), path, 0, [.. window.Select(Decoding)]));
        var name = NameOf(Path.GetFileName(path));
        return supports.Windows(VideoFrames.Open(path).Read(cancellation)).Select(window => new PoseFrame(
            $"{name}-{window[0].Name}", path, window[0].Number, [.. window.Select(frame => (Func<ImageField>)(() => frame.Picture))])
        { IsOfVideo = true });
    }

    private static Func<ImageField> Decoding(string file) => () => ImageFile.Decode(file);

    private static bool IsImage(string path) => ImageFile.Extensions.Contains(Path.GetExtension(path));

    private static IReadOnlyList<string> FilesOf(string folder)
    {
        var files = ImageFile.In(folder);
        return files.Count > 0
            ? files
            : throw new FrostlineException($"the folder {folder} has no images ({string.Join(' ', ImageFile.Extensions.Order(StringComparer.Ordinal))})");
    }

    /// <summary>A name for files: the relative path without extension, folders joined by dashes, made different where it is taken.</summary>
    private string NameOf(string relative)
    {
        var plain = Path.ChangeExtension(relative, null).Replace('\\', '/').Replace('/', '-');
        var name = plain;
        for (var i = 2; !_names.Add(name); i++) name = FormattableString.Invariant($"{plain}-{i}");
        return name;
    }
}
