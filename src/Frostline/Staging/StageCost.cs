namespace Frostline.Staging;

/// <summary>A tensor's name and shape.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its sizes, outermost first.</param>
public sealed record NamedShape(string Name, IReadOnlyList<long> Shape);

/// <summary>What one stage costs for one batch.</summary>
public sealed record StageCost
{
    /// <summary>The stage.</summary>
    public required string Name { get; init; }

    /// <summary>What it writes.</summary>
    public required IReadOnlyList<NamedShape> Outputs { get; init; }

    /// <summary>Multiply-adds of its convolutions and linear layers, forward, for the whole batch.</summary>
    public required long MultiplyAdds { get; init; }

    /// <summary>How many numbers its parameters have.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of its parameters.</summary>
    public required long ParameterBytes { get; init; }

    /// <summary>Bytes of its buffers.</summary>
    public required long BufferBytes { get; init; }

    /// <summary>Bytes of what it writes.</summary>
    public required long OutputBytes { get; init; }

    /// <summary>Bytes that it keeps for the backward pass where gradients flow through it.</summary>
    public required long SavedBytes { get; init; }

    /// <summary>
    /// The most bytes of tensors at one moment while it runs without gradients: its own, its inputs, and what later stages
    /// wait for. The network's inputs are not counted.
    /// </summary>
    public required long PeakBytes { get; init; }

    /// <summary>Bytes of the largest tensor that it makes.</summary>
    public required long LargestBytes { get; init; }
}

/// <summary>
/// What one training step needs, estimated: tensors as the network keeps them, without libtorch's own work space and the
/// batch itself.
/// </summary>
public sealed record StepCost
{
    /// <summary>
    /// Multiply-adds forward and backward. Backward a stage costs once its forward for the gradient of its input, and once
    /// more for that of its parameters where some are trained; stages below the first trained one cost nothing.
    /// </summary>
    public required long MultiplyAdds { get; init; }

    /// <summary>Bytes of all parameters and buffers.</summary>
    public required long StateBytes { get; init; }

    /// <summary>Bytes of the gradients of trained parameters.</summary>
    public required long GradientBytes { get; init; }

    /// <summary>Bytes of the optimizer's state.</summary>
    public required long OptimizerBytes { get; init; }

    /// <summary>Bytes of activations that are kept for the backward pass.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>Bytes that come and go: of a frozen stage forward, or of the largest gradients backward.</summary>
    public required long TransientBytes { get; init; }

    /// <summary>All bytes at the fullest moment.</summary>
    public long TotalBytes => StateBytes + GradientBytes + OptimizerBytes + ActivationBytes + TransientBytes;
}
