namespace Frostline.Bench.Comparison;

/// <summary>The trainings that cases look at.</summary>
internal sealed class TrainingTasks(TrainingScale scale, TrainingInputs inputs)
{
    /// <summary>The head on a frozen network.</summary>
    public TrainingTask Head => Of("head") with { BatchSize = 64 };

    /// <summary>Ten heads on the same, each with a learning rate of its own.</summary>
    public TrainingTask Sweep => Head with
    {
        Name = "sweep",
        Store = Path.Combine(Repository.Artifacts, "sweep.store"),
        LearningRates = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05],
    };

    /// <summary>The last layer and the head.</summary>
    public TrainingTask LastLayer => Of("last-layer") with { Trained = TrainedPart.LastLayer, Epochs = 3 };

    /// <summary>Nothing frozen, one epoch of fewer images.</summary>
    public TrainingTask Full => Of("full") with { Trained = TrainedPart.All, Epochs = 1, BaselineEpochs = 1, SamplesPerClass = scale.FullSamplesPerClass };

    /// <summary>The head on the features of many small images, which are in the store already, on one core.</summary>
    public TrainingTask HeadStep => Of("head-step") with
    {
        Images = Path.Combine(inputs.Grey, "images"),
        Labels = Path.Combine(inputs.Grey, "labels"),
        Epochs = 4,
        BatchSize = 256,
        Threads = 1,
        Workers = 1,
        OneCore = true,
        Warm = true,
    };

    /// <summary>What fills the store for <see cref="HeadStep"/>.</summary>
    public TrainingTask HeadStepFilling => HeadStep with { Name = "head-step-filling", Epochs = 1, Threads = 2, Workers = 2, OneCore = false, Warm = false };

    /// <summary>A head for heatmaps on a frozen HRNet.</summary>
    public TrainingTask Pose => Of("pose") with
    {
        Network = TrainedNetwork.HRNet,
        Images = inputs.People,
        Crop = scale.PoseHeight,
        CropWidth = scale.PoseWidth,
        Weights = Path.Combine(inputs.PoseWeights, "hrnet.safetensors"),
        Epochs = scale.PoseEpochs,
    };

    /// <summary>An epoch of the same, whose features are in the store but not in memory.</summary>
    public TrainingTask PoseFromDisk => Pose with { Name = "pose-from-disk", Epochs = 1, Warm = true, OutgrowsMemory = true };

    private TrainingTask Of(string name) => new()
    {
        Name = name,
        Epochs = scale.Epochs,
        Images = inputs.Images,
        Crop = scale.Crop,
        Store = Path.Combine(Repository.Artifacts, $"{name}.store"),
        Weights = Path.Combine(inputs.Weights, "resnet50.safetensors"),
        PyTorchWeights = Path.Combine(inputs.Weights, "resnet50.pth"),
    };
}
