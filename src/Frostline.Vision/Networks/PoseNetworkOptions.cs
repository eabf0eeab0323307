using Frostline.Training.Registration;
using Frostline.Vision.Pose;

namespace Frostline.Vision.Networks;

/// <summary>What a recipe may write beside the name of a network for pose.</summary>
public class PoseNetworkOptions
{
    /// <summary>How many joints; default as many as the training data has.</summary>
    public int? Joints { get; set; }

    /// <summary>Channels of the images; default 3.</summary>
    public int InputChannels { get; set; } = 3;

    /// <summary>The number of joints that a network is created with.</summary>
    /// <exception cref="FrostlineException">Neither the recipe nor the data says.</exception>
    internal int CountJoints(BuildContext context) => Joints ?? SkeletonFacts.Find(context)?.Joints.Count
        ?? throw new FrostlineException("the number of joints is unknown: give the model \"joints:\", or training data of poses");
}

/// <summary>What a recipe may write beside the name of an HRNet for pose.</summary>
public sealed class HRNetPoseOptions : PoseNetworkOptions
{
    /// <summary>
    /// Channels of the branch with the highest resolution: 32 and 48 have published weights, any other is possible. Default: 32.
    /// </summary>
    public int Width { get; set; } = HRNetWidth.W32;

    /// <summary>
    /// Whether the last module has weights for all four branches, as in checkpoints of some derived networks; heatmaps do not depend on them.
    /// Default: false, as published.
    /// </summary>
    public bool AllBranches { get; set; }
}
