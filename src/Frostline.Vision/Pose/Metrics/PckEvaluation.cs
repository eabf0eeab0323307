namespace Frostline.Vision.Pose;

/// <summary>The length in a person by which distances are measured.</summary>
public enum PckReference
{
    /// <summary>From a shoulder to the hip of the other side: the left one where both are labelled.</summary>
    Torso,

    /// <summary>The longer side of the person's box.</summary>
    Box,

    /// <summary>
    /// 0.6 of the diagonal of the head's box, PCKh; where there is no such box, the distance from the lower to the upper end of the head.
    /// </summary>
    Head,
}

/// <summary>
/// The percentage of correct keypoints: how many labelled joints are found within a part of a length in the person (Yang and Ramanan, 2013; with the
/// head's size PCKh, Andriluka et al., CVPR 2014). Each prediction is compared with the person whose box it was made from.
/// </summary>
public sealed class PckEvaluation
{
    private readonly Skeleton _skeleton;
    private readonly PckReference _reference;
    private readonly double _threshold;
    private readonly long[] _right;
    private readonly long[] _labelled;

    /// <summary>Creates an evaluation without people.</summary>
    /// <param name="skeleton">What the joints are.</param>
    /// <param name="reference">The length that distances are measured by.</param>
    /// <param name="threshold">The part of it that a joint may be off at the most: 0.2 or 0.1 as a rule, 0.5 of the head.</param>
    public PckEvaluation(Skeleton skeleton, PckReference reference, double threshold)
    {
        ArgumentNullException.ThrowIfNull(skeleton);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threshold);
        (_skeleton, _reference, _threshold) = (skeleton, reference, threshold);
        (_right, _labelled) = (new long[skeleton.Joints.Count], new long[skeleton.Joints.Count]);
    }

    /// <summary>How many people were left out because their length is not known or 0.</summary>
    public int WithoutReference { get; private set; }

    /// <summary>The part of the labelled joints that were found, of all together; NaN where none is labelled.</summary>
    public double Total => (double)_right.Sum() / _labelled.Sum();

    /// <summary>The part that was found of each joint's labelled ones; NaN where it has none.</summary>
    public IReadOnlyList<double> PerJoint => [.. _right.Select((right, j) => (double)right / _labelled[j])];

    /// <summary>Adds a person. One without a labelled joint changes nothing.</summary>
    /// <param name="truth">The annotation.</param>
    /// <param name="predicted">The joints that were predicted for this person.</param>
    /// <exception cref="FrostlineException">The numbers of joints differ.</exception>
    public void Add(PersonAnnotation truth, IReadOnlyList<PredictedJoint> predicted)
    {
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(predicted);
        if (truth.Joints.Count != _right.Length || predicted.Count != _right.Length)
            throw new FrostlineException($"the skeleton has {_right.Length} joints, an annotation {truth.Joints.Count} and its prediction {predicted.Count}");
        if (truth.LabelledJoints == 0) return;
        if (LengthOf(truth, _skeleton, _reference) is not { } length)
        {
            WithoutReference++;
            return;
        }

        for (var j = 0; j < _right.Length; j++)
        {
            if (!truth.Joints[j].IsLabelled) continue;
            _labelled[j]++;
            var (dx, dy) = (predicted[j].X - truth.Joints[j].X, predicted[j].Y - truth.Joints[j].Y);
            if (Math.Sqrt((dx * dx) + (dy * dy)) / length <= _threshold) _right[j]++;
        }
    }

    /// <summary>A length in a person; null where the joints or boxes that it is measured between are unknown, or it is 0.</summary>
    /// <param name="person">The annotation.</param>
    /// <param name="skeleton">What its joints are.</param>
    /// <param name="reference">Which length.</param>
    public static double? LengthOf(PersonAnnotation person, Skeleton skeleton, PckReference reference)
    {
        ArgumentNullException.ThrowIfNull(person);
        ArgumentNullException.ThrowIfNull(skeleton);
        var length = reference switch
        {
            PckReference.Torso => Distance("left_shoulder", "right_hip") ?? Distance("right_shoulder", "left_hip"),
            PckReference.Box => Math.Max(person.Box.Width, person.Box.Height),
            _ => person.Head is { } head ? HeadSize(head) : Distance("head_bottom", "head_top") ?? Distance("neck", "head_top"),
        };
        return length > 0 ? length : null;

        double? Distance(string from, string to)
        {
            if (Find(from) is not { IsLabelled: true } a || Find(to) is not { IsLabelled: true } b) return null;
            return Math.Sqrt(((a.X - b.X) * (a.X - b.X)) + ((a.Y - b.Y) * (a.Y - b.Y)));
        }

        Joint? Find(string name)
        {
            for (var j = 0; j < person.Joints.Count && j < skeleton.Joints.Count; j++)
                if (string.Equals(skeleton.Joints[j], name, StringComparison.Ordinal)) return person.Joints[j];
            return null;
        }
    }

    /// <summary>What PCKh and PoseTrack call a head's size: 0.6 of the diagonal of its box.</summary>
    /// <param name="head">The head's box.</param>
    public static double HeadSize(Box head) => 0.6 * Math.Sqrt((head.Width * head.Width) + (head.Height * head.Height));
}
