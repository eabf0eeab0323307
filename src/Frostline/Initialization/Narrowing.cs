namespace Frostline.Initialization;

/// <summary>Which channels of a wider network a narrower one gets.</summary>
public enum NarrowRule
{
    /// <summary>The first channels, of outputs and of inputs, as they are.</summary>
    First,

    /// <summary>
    /// Groups of old / new neighbours, which must be a whole number: of outputs the mean, of inputs the sum, w'[o, j] = sum over the
    /// group of w[o, i]. Where the channels of each group are equal, the network computes what the wider one computed.
    /// </summary>
    Average,
}

/// <summary>
/// Weights of a network that is wider: for convolutions (transposed ones too), linear layers, PReLU and norms with their statistics, of
/// which output and input channels may be more in the file. Kernel sizes must agree.
/// </summary>
public sealed record Narrowing
{
    /// <summary>A selector: the tensors. Those of equal shapes are loaded as they are.</summary>
    public required string Of { get; init; }

    /// <summary>Which channels are taken. Default: first.</summary>
    public NarrowRule By { get; init; } = NarrowRule.First;
}
