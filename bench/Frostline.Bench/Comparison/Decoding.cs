using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;

namespace Frostline.Bench.Comparison;

/// <summary>What the sides in .NET share about images, so that decoding costs all of them the same.</summary>
internal static class Decoding
{
    /// <summary>The means that are subtracted, of ImageNet.</summary>
    public static readonly double[] Mean = [0.485, 0.456, 0.406];

    /// <summary>The deviations that are divided by.</summary>
    public static readonly double[] Deviation = [0.229, 0.224, 0.225];

    /// <summary>The images of a task.</summary>
    public static IDataset Of(TrainingTask task) => task.Network == TrainedNetwork.HRNet ? People(task.Images) : Images(task.Images, task.SamplesPerClass);

    /// <summary>The steps from an image of a task to the network's input.</summary>
    public static IReadOnlyList<ITransform> TransformsOf(TrainingTask task) =>
        task.Network == TrainedNetwork.HRNet ? PeopleTransforms(task.Crop, task.CropWidth) : Transforms(task.Crop);

    /// <summary>The people of a folder.</summary>
    public static IDataset People(string folder) => KeypointData.OpenCoco(
        new CocoKeypointsOptions { Annotations = PosePictures.AnnotationsOf(folder), Images = folder }, new BuildContext { Folder = folder });

    /// <summary>The steps from a person to the network's input and the heatmaps that are wanted.</summary>
    public static IReadOnlyList<ITransform> PeopleTransforms(int height, int width) =>
    [
        new PoseCrop { Width = width, Height = height },
        new PoseTargets(),
        new Scale { Divisor = 255 },
        new Normalize { Mean = Mean, Std = Deviation },
    ];

    /// <summary>The images of a folder.</summary>
    /// <param name="folder">The folder, one folder a class.</param>
    /// <param name="samplesPerClass">At most so many of each class; null for all.</param>
    public static IDataset Images(string folder, int? samplesPerClass = null) =>
        ImageFolder.Open(new ImageFolderOptions { Path = folder, SamplesPerClass = samplesPerClass }, new BuildContext { Folder = folder });

    /// <summary>The steps from an image to the network's input.</summary>
    /// <param name="crop">The side of the square that is cut from the middle.</param>
    public static IReadOnlyList<ITransform> Transforms(int crop) =>
        [new CenterCrop { Size = crop }, new Scale { Divisor = 255 }, new Normalize { Mean = Mean, Std = Deviation }];
}
