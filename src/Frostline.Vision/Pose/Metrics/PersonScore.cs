namespace Frostline.Vision.Pose;

/// <summary>How sure one can be of a predicted person.</summary>
public static class PersonScore
{
    /// <summary>The score of the person's box times the mean score of the joints above a threshold; 0 where no joint is.</summary>
    /// <param name="boxScore">The detector's score of the box; 1 for an annotated box.</param>
    /// <param name="joints">The joints.</param>
    /// <param name="threshold">Joints below or at this do not count. Default: 0.2, as in the official code of HRNet.</param>
    public static double Of(double boxScore, IReadOnlyList<PredictedJoint> joints, double threshold = 0.2)
    {
        ArgumentNullException.ThrowIfNull(joints);
        double sum = 0;
        var count = 0;
        foreach (var joint in joints)
        {
            if (!(joint.Score > threshold)) continue;
            sum += joint.Score;
            count++;
        }

        return count == 0 ? 0 : boxScore * (sum / count);
    }
}
