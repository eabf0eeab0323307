using System.ComponentModel.DataAnnotations;
using Frostline.Training.Metrics;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>Options of <see cref="PckMetric"/>.</summary>
public sealed class PckOptions : PoseReadingOptions
{
    /// <summary>The part of the length that a joint may be off at the most, above 0. Default: 0.2, 0.5 of the head.</summary>
    [Shorthand]
    [Range(0d, 10d, MinimumIsExclusive = true)]
    public double? Threshold { get; set; }

    /// <summary>The length: torso (from a shoulder to the hip of the other side), box (its longer side) or head (PCKh). Default: torso.</summary>
    public PckReference Reference { get; set; } = PckReference.Torso;
}

/// <summary>
/// The share of labelled joints that are found within a part of a length of the person, <c>pck</c> (of the head <c>pckh</c>), and of each joint as a
/// table; see <see cref="PckEvaluation"/>.
/// </summary>
public sealed class PckMetric : PoseMetric
{
    private readonly PckReference _reference;
    private readonly double _threshold;

    /// <summary>Creates the metric.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="data">What is measured on.</param>
    /// <exception cref="FrostlineException">The threshold is not above 0.</exception>
    public PckMetric(PckOptions options, IPoseData data)
        : base(data, options, "pck")
    {
        ArgumentNullException.ThrowIfNull(options);
        _reference = options.Reference;
        _threshold = options.Threshold ?? (options.Reference == PckReference.Head ? 0.5 : 0.2);
        if (_threshold is not (> 0 and < double.PositiveInfinity))
            throw new FrostlineException(FormattableString.Invariant($"the metric pck has the threshold {_threshold}; it has to be above 0"));
    }

    /// <inheritdoc/>
    public override MetricResult Result()
    {
        var evaluation = new PckEvaluation(Data.Skeleton, _reference, _threshold);
        foreach (var (person, joints, _) in People)
            if (Data.PersonOf(person).Annotation is { } truth) evaluation.Add(truth, joints);
        var name = _reference == PckReference.Head ? "pckh" : "pck";
        return new MetricResult(
            [new MetricValue(name, evaluation.Total)],
            [new MetricTable($"{name}-per-joint", Data.Skeleton.Joints, [name], [.. evaluation.PerJoint.Select(share => (double[])[share])])]);
    }
}
