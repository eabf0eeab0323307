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

    /// <summary>Tensors of which the checkpoint's network has more channels. Default null, none.</summary>
    public Narrowing? Narrow { get; init; }

    /// <summary>
    /// Tensors of which the checkpoint's network has fewer channels, for the same kinds of layers as <see cref="Narrowing"/>. Each channel
    /// is repeated, copies side by side: channel j is the file's floor(j · old / new). A weight's inputs are divided by the number of their
    /// copies, so that the network computes what it computed (Chen et al., "Net2Net", 2016); with layer and group norms only where new is a
    /// multiple of old, and with grouped convolutions where the number of groups stays. Copies stay equal while training unless something
    /// tells them apart, such as dropout. Default null, none.
    /// </summary>
    public string? Widen { get; init; }

    /// <summary>
    /// Weights of convolutions over images, [outputs, inputs, height, width] in the checkpoint, for convolutions over video, [outputs,
    /// inputs, time, height, width]: repeated over time and divided by its length, so that a video that stands still gets the response
    /// that the image got (Carreira and Zisserman, "Quo Vadis, Action Recognition?", 2017). Default null, none.
    /// </summary>
    public string? Inflate { get; init; }
}
