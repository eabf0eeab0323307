namespace Frostline.Initialization;

/// <summary>How strictly a <c>Load</c> rule takes its checkpoint.</summary>
public sealed class LoadOptions
{
    /// <summary>
    /// The share of the tensors to fill that the checkpoint must hold, from 0 to 1; default 1, all of them. What is missing below
    /// that is left to earlier rules and reported.
    /// </summary>
    public double Require { get; init; } = 1;

    /// <summary>
    /// A selector over the network's names: what is left to earlier rules on purpose, whatever the checkpoint holds for it, for
    /// example a head with another number of classes. It does not count for <see cref="Require"/>. Default null, nothing.
    /// </summary>
    public string? Skip { get; init; }

    /// <summary>
    /// A selector over the network's names: a head, which may have another number of classes than the checkpoint's. Tensors in it
    /// are loaded where the shapes agree; where they differ they are left to an earlier rule, which there must be, do not count
    /// for <see cref="Require"/>, and are reported as skipped, with both shapes. Default null, nothing.
    /// </summary>
    public string? Head { get; init; }
}
