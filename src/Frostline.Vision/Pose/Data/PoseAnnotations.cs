namespace Frostline.Vision.Pose;

/// <summary>A person that somebody marked in an image.</summary>
public sealed record PersonAnnotation
{
    /// <summary>The annotation's number, unique in its data set.</summary>
    public required long Id { get; init; }

    /// <summary>The <see cref="PoseImage.Id"/> of the image.</summary>
    public required long ImageId { get; init; }

    /// <summary>The person's number in the video, the same in all its frames; null where nobody followed people over frames.</summary>
    public long? TrackId { get; init; }

    /// <summary>The box around the person, as the file says: it may reach beyond the image.</summary>
    public required Box Box { get; init; }

    /// <summary>The person's area in square pixels: of the segment where the file says it, else of the box.</summary>
    public double Area { get; init; }

    /// <summary>Whether the box holds a crowd, whose people nobody marked one by one.</summary>
    public bool IsCrowd { get; init; }

    /// <summary>All joints of the skeleton, in its order, in pixels of the image.</summary>
    public required IReadOnlyList<Joint> Joints { get; init; }

    /// <summary>The box around the head, by which PCKh and PoseTrack measure distances; null where there is none.</summary>
    public Box? Head { get; init; }

    /// <summary>How many joints are labelled, seen or hidden.</summary>
    public int LabelledJoints => Joints.Count(joint => joint.IsLabelled);
}

/// <summary>A person that a detector found in an image.</summary>
/// <param name="ImageId">The <see cref="PoseImage.Id"/> of the image.</param>
/// <param name="Box">The box around the person, in pixels of the image.</param>
/// <param name="Score">How sure the detector is.</param>
public sealed record PersonDetection(long ImageId, Box Box, double Score);

/// <summary>An image, or a frame of a video, that people are marked in.</summary>
public sealed record PoseImage
{
    /// <summary>The image's number, unique in its data set.</summary>
    public required long Id { get; init; }

    /// <summary>The full path of its file, which need not exist before it is read.</summary>
    public required string Path { get; init; }

    /// <summary>The path as the annotations write it.</summary>
    public required string Name { get; init; }

    /// <summary>The width in pixels as the annotations say it; 0 where they don't.</summary>
    public int Width { get; init; }

    /// <summary>The height in pixels as the annotations say it; 0 where they don't.</summary>
    public int Height { get; init; }

    /// <summary>The video that it is a frame of, which is the folder of its frames as the annotations write it; null for a single image.</summary>
    public string? Video { get; init; }

    /// <summary>The frame's number in its video; null for a single image.</summary>
    public int? Frame { get; init; }

    /// <summary>How many frames its video has, as the annotations say it; null where they don't.</summary>
    public int? FrameCount { get; init; }

    /// <summary>Whether people were marked in it at all; without them it is only seen beside other frames. Default: true.</summary>
    public bool IsLabelled { get; init; } = true;
}

/// <summary>What files of annotations say about people and their joints.</summary>
public sealed record PoseAnnotations
{
    /// <summary>The joints that people have.</summary>
    public required Skeleton Skeleton { get; init; }

    /// <summary>The images, in the order of the files.</summary>
    public required IReadOnlyList<PoseImage> Images { get; init; }

    /// <summary>The people, in the order of the files; crowds and people without a labelled joint among them.</summary>
    public required IReadOnlyList<PersonAnnotation> People { get; init; }

    /// <summary>The ids of the categories whose people these are, for files of detections and results. Default: 1, COCO's people.</summary>
    public IReadOnlyList<long> Categories { get; init; } = [1];

    /// <summary>What is wrong in the files, one line each, with the id of the entry and what was done about it; mostly it is left out.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}
