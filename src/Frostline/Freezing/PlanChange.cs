namespace Frostline.Freezing;

/// <summary>What a change of the plan came to; see <see cref="FrozenModel.Update"/>.</summary>
/// <param name="Thawed">The parameters that are trained from now on and were not, in the network's order.</param>
/// <param name="Frozen">The parameters that are no longer trained, in the network's order.</param>
/// <param name="FrostLine">The first stage in which anything can change from now on; null without stages, or where nothing can.</param>
public sealed record PlanChange(IReadOnlyList<string> Thawed, IReadOnlyList<string> Frozen, string? FrostLine);

/// <summary>A phase of a training.</summary>
/// <param name="Epoch">The epoch at whose beginning it began, counted from 0.</param>
/// <param name="Trained">How many numbers were trained in it.</param>
/// <param name="FrostLine">The first stage in which anything could change; null without stages, or where nothing could.</param>
public sealed record PhaseReport(double Epoch, long Trained, string? FrostLine);
