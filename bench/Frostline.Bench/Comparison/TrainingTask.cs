using System.Text.Json;

namespace Frostline.Bench.Comparison;

/// <summary>Which part of the ResNet-50 is trained.</summary>
internal enum TrainedPart
{
    /// <summary>The head alone.</summary>
    Head,

    /// <summary>The last of the four groups of blocks, and the head.</summary>
    LastLayer,

    /// <summary>Everything.</summary>
    All,
}

/// <summary>Which network is trained.</summary>
internal enum TrainedNetwork
{
    /// <summary>A ResNet-50 for ten classes.</summary>
    ResNet50,

    /// <summary>An HRNet-W32 for 17 joints.</summary>
    HRNet,
}

/// <summary>A training that every side does in the same way, as its process reads it.</summary>
internal sealed record TrainingTask
{
    /// <summary>Settings of the file that a side reads.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>What its files are called.</summary>
    public required string Name { get; init; }

    /// <summary>Which network.</summary>
    public TrainedNetwork Network { get; init; }

    /// <summary>The folder of images, one folder a class; where they are grey the IDX file of images; of people with the annotations beside it.</summary>
    public required string Images { get; init; }

    /// <summary>The IDX file of labels; null where the images lie in folders.</summary>
    public string? Labels { get; init; }

    /// <summary>The weights of the whole network, as safetensors.</summary>
    public required string Weights { get; init; }

    /// <summary>The same weights as a PyTorch file.</summary>
    public required string PyTorchWeights { get; init; }

    /// <summary>The side of the square that is cut from the middle of each image; of people the height that they are cropped to.</summary>
    public int Crop { get; init; } = 224;

    /// <summary>The width that is cut or cropped to; as a square's side by default.</summary>
    public int CropWidth
    {
        get => field > 0 ? field : Crop;
        init;
    }

    /// <summary>At most so many images of each class; null for all.</summary>
    public int? SamplesPerClass { get; init; }

    /// <summary>What is trained.</summary>
    public TrainedPart Trained { get; init; }

    /// <summary>How often Frostline goes through the images.</summary>
    public required int Epochs { get; init; }

    /// <summary>How often the recipes go that pay the same in every epoch; the rest is multiplied.</summary>
    public int BaselineEpochs { get; init; } = 3;

    /// <summary>Samples in a batch.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Threads of libtorch or PyTorch.</summary>
    public int Threads { get; init; } = 2;

    /// <summary>Threads or processes that decode images.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>The learning rate of stochastic gradient descent with momentum 0.9.</summary>
    public double LearningRate { get; init; } = 0.01;

    /// <summary>The learning rates of the trials of a sweep; empty for one training.</summary>
    public IReadOnlyList<double> LearningRates { get; init; } = [];

    /// <summary>Whether the process may use one core only.</summary>
    public bool OneCore { get; init; }

    /// <summary>The folder of the feature store.</summary>
    public required string Store { get; init; }

    /// <summary>Whether what an earlier run has stored is used; otherwise the store is empty at the start.</summary>
    public bool Warm { get; init; }

    /// <summary>
    /// Whether the store is read from the disk, as one that outgrows memory is: the system's cache of it is emptied before, and it is shuffled chunk by
    /// chunk and read ahead.
    /// </summary>
    public bool OutgrowsMemory { get; init; }
}
