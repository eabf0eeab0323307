namespace Frostline.Initialization;

/// <summary>
/// How strictly a <c>Load</c> rule takes its checkpoint, and the policies for what differs on purpose. Every selector is over the
/// network's names and must select something of what the rule loads into; a tensor has one policy at the most.
/// </summary>
public sealed class LoadOptions
{
    /// <summary>
    /// The share of the tensors to fill that the checkpoint must hold, from 0 to 1; default 1, all of them. What is missing below
    /// that is left to earlier rules and reported.
    /// </summary>
    public double Require { get; init; } = 1;

    /// <summary>
    /// What is left to earlier rules on purpose, whatever the checkpoint holds for it. It does not count for <see cref="Require"/>.
    /// Default null, nothing.
    /// </summary>
    public string? Skip { get; init; }

    /// <summary>
    /// A head, which may have another number of classes than the checkpoint's. Tensors in it are loaded where the shapes agree; where
    /// they differ they are left to an earlier rule, which there must be, do not count for <see cref="Require"/>, and are reported as
    /// skipped, with both shapes. Default null, nothing.
    /// </summary>
    public string? Head { get; init; }

    /// <summary>A first convolution, which may see another number of channels than the checkpoint's. Default null, none.</summary>
    public FirstConvolution? FirstConv { get; init; }

    /// <summary>Tables of positions, which may be for another input size than the checkpoint's. Default null, none.</summary>
    public PositionTables? Interpolate { get; init; }
}
