using System.ComponentModel.DataAnnotations;
using Frostline.Training.Metrics;

namespace Frostline.Vision.Pose;

/// <summary>Options of <see cref="PoseTrackApMetric"/>.</summary>
public sealed class PoseTrackApOptions : PoseReadingOptions
{
    /// <summary>How far off a joint may be, in sizes of the head, above 0. Default: 0.5.</summary>
    [Range(0d, 10d, MinimumIsExclusive = true)]
    public double Threshold { get; set; } = 0.5;

    /// <summary>
    /// How alike (OKS) two people of a detector may be before the one with the smaller score is dropped, 0 to 1. Default: 0.9, as published.
    /// </summary>
    [Range(0d, 1d)]
    public double NmsThreshold { get; set; } = 0.9;

    /// <summary>A folder for the predictions in PoseTrack 2018's format, one file a video, written when they are measured. Default: none.</summary>
    public string? Results { get; set; }
}

/// <summary>
/// PoseTrack's mean average precision of joints, <c>map</c>, with that of each joint as a table; see <see cref="PoseTrackEvaluation"/>.
/// </summary>
public sealed class PoseTrackApMetric : PoseMetric
{
    private readonly PoseTrackApOptions _options;
    private readonly string? _results;

    /// <summary>Creates the metric.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="data">What is measured on.</param>
    /// <param name="results">The full path of <see cref="PoseTrackApOptions.Results"/>; null for none.</param>
    /// <exception cref="FrostlineException">PoseTrack has none of the joints.</exception>
    public PoseTrackApMetric(PoseTrackApOptions options, IPoseData data, string? results = null)
        : base(data, options, "posetrack-ap")
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(data);
        (_options, _results) = (options, results);
        _ = new PoseTrackEvaluation(data.Skeleton, options.Threshold);
    }

    /// <inheritdoc/>
    public override MetricResult Result()
    {
        var people = DistinctPredictions(_options.NmsThreshold);
        if (_results is not null && people.Count > 0) PoseResults.WritePoseTrack(_results, Data.Annotations.Images, people, Data.Skeleton);
        var evaluation = new PoseTrackEvaluation(Data.Skeleton, _options.Threshold);
        var predicted = people.ToLookup(person => person.ImageId);
        foreach (var image in Truth().Where(person => !person.IsCrowd).GroupBy(person => person.ImageId)) evaluation.Add([.. image], [.. predicted[image.Key]]);
        return new MetricResult(
            [new MetricValue("map", evaluation.Mean)],
            [new MetricTable("ap-per-joint", evaluation.Joints, ["ap"], [.. evaluation.PerJoint.Select(ap => (double[])[ap])])]);
    }
}
