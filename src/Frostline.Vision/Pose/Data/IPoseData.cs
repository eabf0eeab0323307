using Frostline.Training.Data;

namespace Frostline.Vision.Pose;

/// <summary>One sample of a data set of pose: a person in an image, with or without known joints.</summary>
public sealed record PosePerson
{
    /// <summary>The image, of a video the key frame.</summary>
    public required PoseImage Image { get; init; }

    /// <summary>The box that the network's view is made from, in pixels of the image.</summary>
    public required Box Box { get; init; }

    /// <summary>How sure a detector is of the box; 1 where an annotation says it.</summary>
    public double Score { get; init; } = 1;

    /// <summary>What is marked; null where a detector found the box, so that no joint is known.</summary>
    public PersonAnnotation? Annotation { get; init; }
}

/// <summary>
/// A data set whose samples are people. A sample has the fields <c>image</c>, an <see cref="Data.ImageField"/> or, for several frames,
/// <see cref="Data.FramesField"/> (key frame first), and <c>pose</c>, a <see cref="PoseField"/>, whose <see cref="PoseField.Person"/> is the index here.
/// </summary>
public interface IPoseData : IDataset
{
    /// <summary>All that the files say, people who are no samples among them.</summary>
    PoseAnnotations Annotations { get; }

    /// <summary>The joints.</summary>
    Skeleton Skeleton => Annotations.Skeleton;

    /// <summary>Frames before and after the key frame, in the order of the sample's rows behind it; empty for single images.</summary>
    IReadOnlyList<int> Supports { get; }

    /// <summary>Whom a sample shows.</summary>
    /// <param name="index">The sample.</param>
    PosePerson PersonOf(int index);

    /// <summary>The joints, so that networks and model files know them.</summary>
    IReadOnlyDictionary<string, string> IDataset.Facts => SkeletonFacts.Of(Skeleton);

    /// <summary>The squared error of heatmaps.</summary>
    string? IDataset.UsualLoss => "joint-mse";

    /// <summary>The share of joints that are found, by the torso.</summary>
    IReadOnlyList<string>? IDataset.UsualMetrics => ["pck"];
}
