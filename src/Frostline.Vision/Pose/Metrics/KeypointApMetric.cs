using System.ComponentModel.DataAnnotations;
using Frostline.Training.Metrics;

namespace Frostline.Vision.Pose;

/// <summary>Options of <see cref="KeypointApMetric"/>.</summary>
public sealed class KeypointApOptions : PoseReadingOptions
{
    /// <summary>
    /// How alike (OKS) two people of a detector may be before the one with the smaller score is dropped, 0 to 1. Default: 0.9, as published.
    /// </summary>
    [Range(0d, 1d)]
    public double NmsThreshold { get; set; } = 0.9;

    /// <summary>A file for the predictions in the format of COCO's results, written when they are measured. Default: none.</summary>
    public string? Results { get; set; }
}

/// <summary>
/// COCO's average precision and recall of keypoints, all ten numbers: <c>ap</c>, <c>ap-50</c>, <c>ap-75</c>, <c>ap-medium</c>, <c>ap-large</c>,
/// <c>ar</c> …; see <see cref="CocoKeypointEvaluation"/>.
/// </summary>
public sealed class KeypointApMetric : PoseMetric
{
    private readonly KeypointApOptions _options;
    private readonly string? _results;
    private readonly IReadOnlyList<double> _sigmas;

    /// <summary>Creates the metric.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="data">What is measured on.</param>
    /// <param name="results">The full path of <see cref="KeypointApOptions.Results"/>; null for none.</param>
    /// <exception cref="FrostlineException">Nobody knows the sigmas of the joints.</exception>
    public KeypointApMetric(KeypointApOptions options, IPoseData data, string? results = null)
        : base(data, options, "keypoint-ap")
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(data);
        (_options, _results) = (options, results);
        _sigmas = data.Skeleton.Sigmas
            ?? throw new FrostlineException("the metric keypoint-ap needs the sigmas of the joints, and the skeleton has none; give the data sigmas, or measure by pck");
    }

    /// <inheritdoc/>
    public override MetricResult Result()
    {
        var people = DistinctPredictions(_options.NmsThreshold);
        if (_results is not null && people.Count > 0) PoseResults.WriteCoco(_results, people, Data.Annotations.Categories[0]);
        var scores = CocoKeypointEvaluation.Evaluate(Truth(), people, _sigmas);
        return new MetricResult(
            [
                new MetricValue("ap", scores.Ap), new MetricValue("ap-50", scores.Ap50), new MetricValue("ap-75", scores.Ap75),
                new MetricValue("ap-medium", scores.ApMedium), new MetricValue("ap-large", scores.ApLarge),
                new MetricValue("ar", scores.Ar), new MetricValue("ar-50", scores.Ar50), new MetricValue("ar-75", scores.Ar75),
                new MetricValue("ar-medium", scores.ArMedium), new MetricValue("ar-large", scores.ArLarge),
            ],
            []);
    }
}
