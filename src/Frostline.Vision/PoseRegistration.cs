using Frostline.Training.Registration;
using Frostline.Vision.Pose;

namespace Frostline.Vision;

/// <summary>What recipes can name as losses, metrics and test-time augmentation of human pose.</summary>
internal static class PoseRegistration
{
    public static void Register(Registry registry)
    {
        registry.Losses.Register<JointMseOptions>(
            "joint-mse", "the squared error of heatmaps, weighted by joint", (options, _) => new JointMseLoss(options));
        registry.TestTime.Register<FlipTestOptions>(
            "flip-test", "the mean of the heatmaps of an image and of its mirror image", FlipTest.Create);
    }
}
