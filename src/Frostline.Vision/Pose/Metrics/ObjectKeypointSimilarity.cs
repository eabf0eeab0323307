namespace Frostline.Vision.Pose;

/// <summary>
/// Object keypoint similarity (OKS; cocodataset.org, keypoint evaluation): how near one person's joints are to another's, from 0 to 1. Each joint
/// counts exp(-d^2 / (2 s^2 (2 sigma)^2)) of its distance d, where s^2 is the person's area; the similarity is the mean.
/// </summary>
public static class ObjectKeypointSimilarity
{
    // The distance from 1 to the next double: what the official code adds to an area, so that none is 0.
    internal const double Epsilon = 2.220446049250313e-16;

    /// <summary>Compares a prediction with an annotation, over the labelled joints.</summary>
    /// <param name="predicted">The prediction's joints.</param>
    /// <param name="truth">The annotation. Where no joint of it is labelled, distances are those to its box, enlarged threefold.</param>
    /// <param name="sigmas">The falloff of each joint, <see cref="Skeleton.Sigmas"/>.</param>
    /// <exception cref="FrostlineException">The numbers of joints differ.</exception>
    public static double Of(IReadOnlyList<PredictedJoint> predicted, PersonAnnotation truth, IReadOnlyList<double> sigmas)
    {
        ArgumentNullException.ThrowIfNull(predicted);
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(sigmas);
        Require(predicted.Count, sigmas);
        Require(truth.Joints.Count, sigmas);
        var hasLabels = truth.LabelledJoints > 0;
        var box = truth.Box;
        double sum = 0;
        var count = 0;
        for (var j = 0; j < sigmas.Count; j++)
        {
            if (hasLabels && !truth.Joints[j].IsLabelled) continue;
            var (dx, dy) = hasLabels
                ? (predicted[j].X - truth.Joints[j].X, predicted[j].Y - truth.Joints[j].Y)
                : (Outside(predicted[j].X, box.X, box.Width), Outside(predicted[j].Y, box.Y, box.Height));
            sum += Similarity(dx, dy, truth.Area, sigmas[j]);
            count++;
        }

        return sum / count;
    }

    /// <summary>Compares two predictions, by the mean of their areas.</summary>
    /// <param name="first">The one.</param>
    /// <param name="firstArea">Its area in square pixels.</param>
    /// <param name="second">The other.</param>
    /// <param name="secondArea">Its area in square pixels.</param>
    /// <param name="sigmas">The falloff of each joint.</param>
    /// <param name="visibleAbove">Only joints count of which the second one's score is above this; null for all. 0 where there is none.</param>
    /// <exception cref="FrostlineException">The numbers of joints differ.</exception>
    public static double Between(
        IReadOnlyList<PredictedJoint> first,
        double firstArea,
        IReadOnlyList<PredictedJoint> second,
        double secondArea,
        IReadOnlyList<double> sigmas,
        double? visibleAbove = null)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        ArgumentNullException.ThrowIfNull(sigmas);
        Require(first.Count, sigmas);
        Require(second.Count, sigmas);
        double sum = 0, area = (firstArea + secondArea) / 2;
        var count = 0;
        for (var j = 0; j < sigmas.Count; j++)
        {
            if (visibleAbove is { } least && !(second[j].Score > least)) continue;
            sum += Similarity(second[j].X - first[j].X, second[j].Y - first[j].Y, area, sigmas[j]);
            count++;
        }

        return count == 0 ? 0 : sum / count;
    }

    private static double Similarity(double dx, double dy, double area, double sigma)
    {
        var width = 2 * sigma;
        return Math.Exp(-((dx * dx) + (dy * dy)) / (width * width) / (area + Epsilon) / 2);
    }

    /// <summary>How far a coordinate is from a range that is enlarged by its length on both sides.</summary>
    private static double Outside(double at, double start, double length) =>
        Math.Max(0, start - length - at) + Math.Max(0, at - (start + (2 * length)));

    private static void Require(int joints, IReadOnlyList<double> sigmas)
    {
        if (joints != sigmas.Count)
            throw new FrostlineException($"a person has {joints} joints and there are {sigmas.Count} sigmas; give the skeleton of these data");
    }
}
