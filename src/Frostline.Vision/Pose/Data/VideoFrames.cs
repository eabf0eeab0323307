using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>One frame of a video.</summary>
/// <param name="Number">Its number, from 0.</param>
/// <param name="Name">What to call files about it, without extension: that of its image file, or its number in six digits.</param>
/// <param name="Picture">The frame, RGB, in the video's size.</param>
public sealed record VideoFrame(int Number, string Name, ImageField Picture);

/// <summary>
/// The frames of a video in order, decoded one after the other: of a video file through the program <c>ffmpeg</c>, or of a folder of image files,
/// ordered by name. Frames keep their size; none is left out or repeated to keep a rate. A video that says how it is to be turned is turned.
/// </summary>
public sealed class VideoFrames
{
    private readonly IReadOnlyList<string>? _files;

    private VideoFrames(string path, IReadOnlyList<string>? files, VideoInfo info) => (Path, _files, Info) = (path, files, info);

    /// <summary>The video file or the folder.</summary>
    public string Path { get; }

    /// <summary>The size, the rate and the number of frames.</summary>
    public VideoInfo Info { get; }

    /// <summary>Opens a video; nothing is decoded but the first image of a folder.</summary>
    /// <param name="path">A video file, or a folder of its frames as image files.</param>
    /// <exception cref="FrostlineException">
    /// It does not exist, the folder has no images, the file is no video, or the program <c>ffprobe</c>, which comes with ffmpeg, is not installed.
    /// </exception>
    public static VideoFrames Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!Directory.Exists(path)) return new VideoFrames(path, null, Ffmpeg.Probe(path));
        List<string> files =
        [
            .. Directory.EnumerateFiles(path).Where(file => ImageFile.Extensions.Contains(System.IO.Path.GetExtension(file))).Order(StringComparer.Ordinal),
        ];
        if (files.Count == 0)
            throw new FrostlineException($"the folder {path} has no images ({string.Join(' ', ImageFile.Extensions.Order(StringComparer.Ordinal))})");
        var first = ImageFile.Decode(files[0]);
        return new VideoFrames(path, files, new VideoInfo(first.Width, first.Height, null, files.Count));
    }

    /// <summary>The frames, decoded as they are asked for.</summary>
    /// <param name="cancellation">Ends the enumeration with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="FrostlineException">While enumerating: a frame is damaged, has another size, or the program ffmpeg is not installed.</exception>
    public IEnumerable<VideoFrame> Read(CancellationToken cancellation = default)
    {
        var frames = _files is null
            ? Ffmpeg.Frames(Path, cancellation).Select((picture, i) => new VideoFrame(i, FormattableString.Invariant($"{i:000000}"), picture))
            : _files.Select((file, i) => new VideoFrame(i, System.IO.Path.GetFileNameWithoutExtension(file), ImageFile.Decode(file)));
        foreach (var frame in frames)
        {
            cancellation.ThrowIfCancellationRequested();
            if (frame.Picture.Width != Info.Width || frame.Picture.Height != Info.Height)
            {
                throw new FrostlineException(
                    $"{Path}: frame {frame.Name} is {frame.Picture.Width} x {frame.Picture.Height}, and the video {Info.Width} x {Info.Height}; its frames have to "
                    + "be of one size");
            }

            yield return frame;
        }
    }
}
