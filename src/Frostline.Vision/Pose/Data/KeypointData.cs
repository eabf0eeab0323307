using System.ComponentModel.DataAnnotations;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>What the options of data sets share that read annotations in COCO's format.</summary>
public abstract class CocoFileOptions : SkeletonOptions
{
    /// <summary>The file of annotations in COCO's format, with the lists images, annotations and categories.</summary>
    [RequiredKey]
    public string Annotations { get; set; } = "";

    /// <summary>The folder that the images' <c>file_name</c> counts from. Default: that of the annotations.</summary>
    public string? Images { get; set; }

    /// <summary>The name of the category that counts, where several have different joints. Default: all that have joints.</summary>
    public string? Category { get; set; }

    /// <summary>The fewest labelled joints that a person has to have. Default: 1.</summary>
    [Range(1, int.MaxValue)]
    public int MinimumJoints { get; set; } = 1;

    /// <summary>Reads the annotations.</summary>
    internal PoseAnnotations Read(BuildContext context)
    {
        var path = context.PathOf(Annotations);
        var images = Images is null ? System.IO.Path.GetDirectoryName(path)! : context.PathOf(Images);
        return Complete(CocoKeypoints.Read(path, images, Given(), Category));
    }
}

/// <summary>Options of the data set <c>coco-keypoints</c>.</summary>
public sealed class CocoKeypointsOptions : CocoFileOptions
{
    /// <summary>
    /// A file of people that a detector found, in COCO's format of results: the samples are then these boxes, without joints. Default: none, the
    /// samples are the annotated people.
    /// </summary>
    public string? Detections { get; set; }

    /// <summary>The least score of a detection that counts. Default: 0.</summary>
    public double MinimumScore { get; set; }
}

/// <summary>Options of the data set <c>posetrack</c>.</summary>
public sealed class PoseTrackOptions : SkeletonOptions
{
    /// <summary>A file of annotations of PoseTrack 2018 or 2017, or a folder of one file a video.</summary>
    [RequiredKey]
    public string Annotations { get; set; } = "";

    /// <summary>The folder that names of frames, such as <c>images/val/000342_mpii/000000.jpg</c>, count from.</summary>
    [RequiredKey]
    public string Images { get; set; } = "";

    /// <summary>
    /// The frames that the network sees beside the key frame, counted from it, in this order: <c>[-2, -1, 1, 2]</c>. At the ends of a video, and where
    /// its file is missing, the key frame takes the place of a frame. Default: none, a sample is one image.
    /// </summary>
    public IReadOnlyList<int> Supports { get; set; } = [];

    /// <summary>The fewest labelled joints that a person has to have. Default: 1.</summary>
    [Range(1, int.MaxValue)]
    public int MinimumJoints { get; set; } = 1;

    /// <summary>
    /// A file of people that a detector found, in COCO's format of results: the samples are then these boxes, without joints. Default: none, the
    /// samples are the annotated people.
    /// </summary>
    public string? Detections { get; set; }

    /// <summary>The least score of a detection that counts. Default: 0.</summary>
    public double MinimumScore { get; set; }

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        SupportFrames.ProblemOf(Supports) is { } problem ? new OptionProblem(nameof(Supports), problem) : base.Check();
}

/// <summary>The data sets <c>coco-keypoints</c> and <c>posetrack</c>.</summary>
public static class KeypointData
{
    /// <summary>Reads annotations in COCO's format; nothing is decoded, and an image that does not exist counts as unreadable when it is read.</summary>
    /// <param name="options">Which files, and what of them.</param>
    /// <param name="context">From where relative paths count, and the seed.</param>
    /// <exception cref="FrostlineException">
    /// A file is missing or not in the format, a joint that the options name does not exist, or nobody is left.
    /// </exception>
    public static IPoseData OpenCoco(CocoKeypointsOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        var annotations = options.Read(context);
        var (people, problems) = People(annotations, options.MinimumJoints, options.Detections, options.MinimumScore, context);
        return new PoseDataset(annotations, Some(options.Draw(people, context), options.Annotations), problems);
    }

    /// <summary>
    /// Reads annotations of PoseTrack; nothing is decoded. Frames that go with a key frame are those that the annotations list, and the numbered images
    /// in the same folder.
    /// </summary>
    /// <param name="options">Which files, and what of them.</param>
    /// <param name="context">From where relative paths count, and the seed.</param>
    /// <exception cref="FrostlineException">
    /// A file is missing or not in the format, a joint that the options name does not exist, or nobody is left.
    /// </exception>
    public static IPoseData OpenPoseTrack(PoseTrackOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        var supports = new SupportFrames(options.Supports);
        var annotations = options.Complete(
            PoseTrackFiles.Read(context.PathOf(options.Annotations), context.PathOf(options.Images), options.Given()));
        var (found, problems) = People(annotations, options.MinimumJoints, options.Detections, options.MinimumScore, context);
        var people = Some(options.Draw(found, context), options.Annotations);
        if (supports.Offsets.Count == 0) return new PoseDataset(annotations, people, problems);
        var videos = VideosOf(annotations, people);
        return new PoseDataset(
            annotations,
            people,
            supports.Offsets,
            [.. people.Select(person => FramesOf(person.Image, videos[person.Image.Video!], supports))],
            [.. problems, .. Missing(people, videos)]);
    }

    /// <summary>The people, or an error that says where there are none.</summary>
    internal static IReadOnlyList<PosePerson> Some(IReadOnlyList<PosePerson> people, string where) => people.Count > 0
        ? people
        : throw new FrostlineException($"{where} has nobody with a labelled joint, or no detection of an image in it; look at its problems in docs/pose-data.md");

    private static (IReadOnlyList<PosePerson> People, IReadOnlyList<string> Problems) People(
        PoseAnnotations annotations, int minimumJoints, string? detections, double minimumScore, BuildContext context)
    {
        if (detections is null) return (PoseSamples.Labelled(annotations, minimumJoints), annotations.Problems);
        var read = PersonDetections.Read(context.PathOf(detections), annotations, minimumScore);
        return (PoseSamples.Detected(annotations, read), [.. annotations.Problems, .. read.Problems]);
    }

    /// <summary>For each video with a sample, the path of each frame by its number.</summary>
    private static Dictionary<string, Dictionary<int, string>> VideosOf(PoseAnnotations annotations, IReadOnlyList<PosePerson> people)
    {
        var videos = new Dictionary<string, Dictionary<int, string>>(StringComparer.Ordinal);
        foreach (var image in people.Select(person => person.Image))
        {
            if (videos.ContainsKey(image.Video!)) continue;
            var frames = new Dictionary<int, string>();
            foreach (var (number, path) in VideoFolder.FramesIn(System.IO.Path.GetDirectoryName(image.Path)!)) frames.TryAdd(number, path);
            videos.Add(image.Video!, frames);
        }

        // What annotations list counts whether or not the file is there: a missing file is then an unreadable sample and not a repeated frame.
        foreach (var image in annotations.Images)
            if (videos.TryGetValue(image.Video!, out var frames)) frames[image.Frame!.Value] = image.Path;
        return videos;
    }

    private static IReadOnlyList<string> FramesOf(PoseImage key, Dictionary<int, string> frames, SupportFrames supports) =>
        [.. supports.Of(key.Frame!.Value, frames.ContainsKey).Select(number => frames[number])];

    private static IEnumerable<string> Missing(IReadOnlyList<PosePerson> people, Dictionary<string, Dictionary<int, string>> videos) => people
        .Select(person => person.Image)
        .Where(image => image.FrameCount > videos[image.Video!].Count)
        .DistinctBy(image => image.Video)
        .Select(image => $"video {image.Video}: {videos[image.Video!].Count} of its {image.FrameCount} frames are there; the key frame takes the place of the others");
}
