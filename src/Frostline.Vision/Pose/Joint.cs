namespace Frostline.Vision.Pose;

/// <summary>What an annotation says about a joint: COCO's <c>v</c>.</summary>
public enum JointVisibility
{
    /// <summary>Nobody marked the joint; its coordinates mean nothing.</summary>
    NotLabelled = 0,

    /// <summary>Marked though something hides it.</summary>
    Hidden = 1,

    /// <summary>Marked where it is seen.</summary>
    Visible = 2,
}

/// <summary>One joint of a person.</summary>
/// <param name="X">Pixels from the left; the middle of the first pixel is 0.</param>
/// <param name="Y">Pixels from the top; the middle of the first pixel is 0.</param>
/// <param name="Visibility">Whether it is labelled, and seen.</param>
public readonly record struct Joint(double X, double Y, JointVisibility Visibility)
{
    /// <summary>Whether the joint is marked, seen or hidden.</summary>
    public bool IsLabelled => Visibility != JointVisibility.NotLabelled;
}

/// <summary>A joint that a network found.</summary>
/// <param name="X">Pixels from the left.</param>
/// <param name="Y">Pixels from the top.</param>
/// <param name="Score">How sure it is: the height of the heatmap's peak.</param>
public readonly record struct PredictedJoint(double X, double Y, double Score);

/// <summary>A person that a network found.</summary>
public sealed record PredictedPerson
{
    /// <summary>The image's id in its data set.</summary>
    public required long ImageId { get; init; }

    /// <summary>All joints of the skeleton, in its order, in pixels of the image.</summary>
    public required IReadOnlyList<PredictedJoint> Joints { get; init; }

    /// <summary>How sure it is of the person.</summary>
    public required double Score { get; init; }

    /// <summary>The box in which the joints were sought; null where none is known.</summary>
    public Box? Box { get; init; }

    /// <summary>The person's number in the video; null where nobody follows people over frames.</summary>
    public long? TrackId { get; init; }
}
