using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;

namespace Frostline.Vision;

/// <summary>What recipes can name as data sets and transforms of images.</summary>
internal static class DataRegistration
{
    public static void Register(Registry registry)
    {
        registry.Datasets.Register<ImageFolderOptions>("image-folder", "images in one folder a class", ImageFolder.Open);
        registry.Datasets.Register<ImageListOptions>(
            "image-list",
            "images and labels that a CSV or JSON-lines file lists",
            ImageList.Open);
        registry.Datasets.Register<Cifar10Options>("cifar10-binary", "CIFAR-10's binary files", Cifar10.Open);
        registry.Datasets.Register<IdxOptions>(
            "idx",
            "grey images in IDX files, as MNIST and Fashion-MNIST, gzipped or not",
            Idx.Open);
        RegisterPose(registry.Datasets);

        var transforms = registry.Transforms;
        Add<Resize>(transforms, "resize", "resamples to a short side or an exact size");
        Add<CenterCrop>(transforms, "center-crop", "cuts the middle out");
        Add<RandomCrop>(transforms, "random-crop", "cuts a part out at random, after padding");
        Add<RandomResizedCrop>(transforms, "random-resized-crop", "cuts a part of random area and shape out and resamples it");
        Add<Pad>(transforms, "pad", "adds a border");
        Add<Flip>(transforms, "flip", "mirrors at random");
        Add<ColorJitter>(transforms, "color-jitter", "changes brightness, contrast, saturation and hue at random");
        Add<Grayscale>(transforms, "grayscale", "takes the colour out, always or at random");
        Add<RandomErasing>(transforms, "random-erasing", "fills a random rectangle");
        Add<Channels>(transforms, "channels", "grey to three channels, colours to one, either to four");
        Add<ChannelOrder>(transforms, "channel-order", "the order of colours: rgb or bgr");
        Add<Scale>(transforms, "scale", "divides every value");
        Add<ValueRange>(transforms, "value-range", "maps grey levels to a range");
        Add<Normalize>(transforms, "normalize", "subtracts a mean and divides by a deviation");
        Add<PoseAugment>(transforms, "pose-augment", "scales, turns and mirrors what is seen of a person at random, or half of the person");
        Add<PoseCrop>(transforms, "pose-crop", "cuts out a person as a network of pose sees it");
        Add<PoseTargets>(transforms, "pose-targets", "makes the heatmaps that a network of pose learns");
    }

    private static void RegisterPose(Catalog<IDataset> datasets)
    {
        datasets.Register<CocoKeypointsOptions>(
            "coco-keypoints", "people and their joints in images, annotated in COCO's format, or found by a detector", KeypointData.OpenCoco);
        datasets.Register<PoseTrackOptions>(
            "posetrack", "people and their joints in frames of videos, annotated as PoseTrack 2018 or 2017, with the frames around them", KeypointData.OpenPoseTrack);
        datasets.Register<SimulatedVideoOptions>(
            "simulated-video", "simulated videos: stills annotated in COCO's format, moved smoothly, with exact joints", SimulatedVideo.Open);
    }

    private static void Add<T>(Catalog<ITransform> transforms, string name, string summary)
        where T : class, ITransform, new() => transforms.Register<T>(name, summary, (transform, _) => transform);
}
