namespace Frostline.Freezing;

/// <summary>What the running statistics of a normalisation layer do. Its affine weights are ordinary parameters.</summary>
public enum NormPolicy
{
    /// <summary>Statistics follow the batches, and the layer normalises by the batch while training.</summary>
    Move,

    /// <summary>Statistics stay as they are, and the layer normalises by them, also while training.</summary>
    Hold,
}
