namespace Frostline.Vision.Pose;

/// <summary>
/// Annotations of people in videos as PoseTrack writes them (posetrack.net), recognised by content: of 2018, COCO's lists with <c>nframes</c>,
/// <c>is_labeled</c>, <c>track_id</c> and <c>bbox_head</c>; of 2017, the list <c>annolist</c> with one entry a frame. One file, or a folder of one file
/// a video.
/// </summary>
public static class PoseTrackFiles
{
    /// <summary>
    /// Reads a file, or all <c>.json</c> files of a folder. What is wrong with an entry is in <see cref="PoseAnnotations.Problems"/>, and the entry is
    /// left out. Joints of 2018 are either <see cref="JointVisibility.Visible"/> or not labelled, since the files tell no more. Images of 2017 have no
    /// ids: they are numbered from 1 in the order of the files, and so are people.
    /// </summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="imageFolder">The folder that names of frames, such as <c>images/val/000342_mpii/000000.jpg</c>, count from.</param>
    /// <param name="skeleton">The joints; null for those of the files.</param>
    /// <exception cref="FrostlineException">
    /// A file is missing, is no JSON or of neither layout; the folder has no such files; or files have different joints.
    /// </exception>
    public static PoseAnnotations Read(string path, string imageFolder, Skeleton? skeleton = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(imageFolder);
        var files = FilesOf(path);
        var collector = new PoseCollector(imageFolder);
        IReadOnlyList<long>? categories = null;
        Skeleton? first = null;
        foreach (var file in files)
        {
            var layout = new PoseTrackFile(file, collector, files.Count == 1 ? "" : $"{System.IO.Path.GetFileName(file)}: ");
            var own = layout.Read(skeleton);
            first ??= own;
            categories ??= layout.Categories;
            if (!first.Joints.SequenceEqual(own.Joints, StringComparer.Ordinal))
                throw new FrostlineException($"{file} has other joints than {files[0]}; read files of one kind");
        }

        return collector.Build(first!, categories!);
    }

    private static List<string> FilesOf(string path)
    {
        if (!Directory.Exists(path)) return [path];
        try
        {
            List<string> files = [.. Directory.EnumerateFiles(path, "*.json").Order(StringComparer.Ordinal)];
            return files.Count > 0 ? files : throw new FrostlineException($"the folder {path} has no .json files; give the folder with one file a video");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FrostlineException($"the folder {path} cannot be read ({error.Message})", error);
        }
    }
}

/// <summary>One file of PoseTrack, in either layout.</summary>
internal sealed class PoseTrackFile(string path, PoseCollector collector, string prefix)
{
    /// <summary>After <see cref="Read"/>, the ids of the categories that count.</summary>
    public IReadOnlyList<long> Categories { get; private set; } = [1];

    /// <summary>Reads the file.</summary>
    /// <param name="skeleton">The joints; null for those of the file.</param>
    /// <returns>The joints.</returns>
    public Skeleton Read(Skeleton? skeleton)
    {
        var file = JsonFile.Open(path);
        if (!file.Has("annolist"))
        {
            var layout = new CocoLayout(file, collector, isVideo: true, prefix) { Skeleton = skeleton };
            layout.Read();
            Categories = layout.Categories;
            return layout.Skeleton!;
        }

        if (skeleton is not null && skeleton.Joints.Count != Skeleton.PoseTrack17.Joints.Count)
        {
            throw new FrostlineException(
                $"{path} is of PoseTrack 2017, which has {Skeleton.PoseTrack17.Joints.Count} joints, and the skeleton has {skeleton.Joints.Count}");
        }

        new PoseTrack17Layout(file, collector, prefix).Read();
        return skeleton ?? Skeleton.PoseTrack17;
    }
}
