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
        registry.Metrics.Register<PckOptions>(
            "pck", "the share of joints that are found within a part of the torso, the box or the head",
            (options, context) => new PckMetric(options, PoseMetric.DataOf(context, "pck")));
        registry.Metrics.Register<KeypointApOptions>(
            "keypoint-ap", "COCO's average precision and recall of keypoints",
            (options, context) => new KeypointApMetric(options, PoseMetric.DataOf(context, "keypoint-ap"), PathOf(options.Results, context)));
        registry.Metrics.Register<PoseTrackApOptions>(
            "posetrack-ap", "PoseTrack's mean average precision of joints",
            (options, context) => new PoseTrackApMetric(options, PoseMetric.DataOf(context, "posetrack-ap"), PathOf(options.Results, context)));
        registry.TestTime.Register<FlipTestOptions>(
            "flip-test", "the mean of the heatmaps of an image and of its mirror image", FlipTest.Create);
    }

    private static string? PathOf(string? path, BuildContext context) => path is null ? null : context.PathOf(path);
}
