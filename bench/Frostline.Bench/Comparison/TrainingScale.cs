namespace Frostline.Bench.Comparison;

/// <summary>How much is measured.</summary>
/// <param name="Images">How many images there are.</param>
/// <param name="Side">Their width and height.</param>
/// <param name="Crop">The side of the square that the network sees.</param>
/// <param name="GreyImages">How many small grey images there are, for the case of the head alone.</param>
/// <param name="FullSamplesPerClass">How many images of each class the full training sees.</param>
/// <param name="Epochs">How often Frostline goes through the images where a head is trained.</param>
/// <param name="PoseHeight">The height of the images of people.</param>
/// <param name="PoseWidth">Their width.</param>
/// <param name="PoseEpochs">How often Frostline goes through them.</param>
/// <param name="Pairs">How often both sides are run, in turn.</param>
internal sealed record TrainingScale(int Images, int Side, int Crop, int GreyImages, int FullSamplesPerClass, int Epochs, int PoseHeight, int PoseWidth, int PoseEpochs, int Pairs)
{
    /// <summary>What the targets are about.</summary>
    public static readonly TrainingScale Full = new(Images: 1000, Side: 256, Crop: 224, GreyImages: 10_240, FullSamplesPerClass: 26, Epochs: 30, PoseHeight: 256, PoseWidth: 192, PoseEpochs: 20, Pairs: 3);

    /// <summary>Small images and one pair: shows that everything works, and no figure of it means anything.</summary>
    public static readonly TrainingScale Quick = new(Images: 64, Side: 80, Crop: 64, GreyImages: 512, FullSamplesPerClass: 6, Epochs: 4, PoseHeight: 64, PoseWidth: 32, PoseEpochs: 4, Pairs: 1);
}
