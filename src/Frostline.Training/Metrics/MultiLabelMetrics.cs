using TorchSharp;

namespace Frostline.Training.Metrics;

/// <summary>Options of <see cref="MultiLabelMetric"/>.</summary>
public sealed class MultiLabelOptions : ClassMetricOptions
{
    /// <summary>The probability from which a label counts as predicted, in (0, 1); default 0.5.</summary>
    public double Threshold { get; set; } = 0.5;
}

/// <summary>
/// Precision, recall and F1 of independent labels at a threshold: as a table by class, over all decisions together
/// (<c>micro-f1</c>) and as the mean over the classes (<c>macro-f1</c>). Scores are logits: the threshold is of their sigmoid.
/// </summary>
public sealed class MultiLabelMetric : IMetric
{
    private const string Reader = "metric multi-label";

    private readonly MultiLabelOptions _options;
    private readonly IReadOnlyList<string>? _names;
    private readonly double _least;
    private long[] _right = [], _predicted = [], _true = [];

    /// <summary>Creates the metric.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="names">The classes' names, or null for their indices.</param>
    /// <exception cref="FrostlineException">The threshold is out of its range.</exception>
    public MultiLabelMetric(MultiLabelOptions options, IReadOnlyList<string>? names = null)
    {
        _options = options ?? throw new ArgumentNullException(nameof(options));
        if (options.Threshold is not (> 0 and < 1))
            throw new FrostlineException(
                FormattableString.Invariant($"the metric multi-label has threshold {options.Threshold}; it has to be in (0, 1)"));
        _names = names;
        _least = Math.Log(options.Threshold / (1 - options.Threshold));
    }

    /// <inheritdoc/>
    public void Reset() => _right = _predicted = _true = [];

    /// <inheritdoc/>
    public void Add(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var (scores, classes) = ClassScores.Scores(outputs, _options, Reader);
        var labels = ClassScores.Labels(fields, _options, Reader, classes);
        if (_right.Length == 0) (_right, _predicted, _true) = (new long[classes], new long[classes], new long[classes]);
        for (var i = 0; i < labels.Length; i++)
        {
            var predicted = scores[i] >= _least;
            if (predicted) _predicted[i % classes]++;
            if (labels[i]) _true[i % classes]++;
            if (predicted && labels[i]) _right[i % classes]++;
        }
    }

    /// <inheritdoc/>
    public MetricResult Result()
    {
        var rows = Enumerable.Range(0, _right.Length).Select(c => Row(_right[c], _predicted[c], _true[c])).ToList();
        var joint = Row(_right.Sum(), _predicted.Sum(), _true.Sum());
        return new MetricResult(
            [
                new MetricValue("micro-f1", joint[2]),
                new MetricValue("micro-precision", joint[0]),
                new MetricValue("micro-recall", joint[1]),
                new MetricValue("macro-f1", ClassScores.Mean(rows.Select(r => r[2]))),
            ],
            [
                new MetricTable(
                    "per-class", ClassScores.Names(_names, rows.Count), ["precision", "recall", "f1", "samples"], rows),
            ]);
    }

    private static IReadOnlyList<double> Row(double right, double predicted, double positive) =>
        positive == 0
            ? [double.NaN, double.NaN, double.NaN, 0]
            : [predicted == 0 ? 0 : right / predicted, right / positive, 2 * right / (positive + predicted), positive];
}

/// <summary>
/// Mean average precision of independent labels: for each class the area below the precision-recall steps, the sum over
/// thresholds of (recall step) * precision without interpolation, as scikit-learn's <c>average_precision_score</c>; then the
/// mean over the classes that have a positive. It keeps every score, 4 bytes a sample and class.
/// </summary>
public sealed class MeanAveragePrecisionMetric : IMetric
{
    private const string Reader = "metric mean-average-precision";

    private readonly ClassMetricOptions _options;
    private readonly IReadOnlyList<string>? _names;
    private readonly List<float> _scores = [];
    private readonly List<bool> _labels = [];
    private int _classes;

    /// <summary>Creates the metric.</summary>
    /// <param name="options">Which output and field are read.</param>
    /// <param name="names">The classes' names, or null for their indices.</param>
    public MeanAveragePrecisionMetric(ClassMetricOptions options, IReadOnlyList<string>? names = null)
    {
        _options = options ?? throw new ArgumentNullException(nameof(options));
        _names = names;
    }

    /// <inheritdoc/>
    public void Reset()
    {
        _scores.Clear();
        _labels.Clear();
    }

    /// <inheritdoc/>
    public void Add(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        (var scores, _classes) = ClassScores.Scores(outputs, _options, Reader);
        _scores.AddRange(scores);
        _labels.AddRange(ClassScores.Labels(fields, _options, Reader, _classes));
    }

    /// <inheritdoc/>
    public MetricResult Result()
    {
        var precisions = Enumerable.Range(0, _scores.Count == 0 ? 0 : _classes).Select(Average).ToList();
        return new MetricResult(
            [new MetricValue("mean-average-precision", ClassScores.Mean(precisions))],
            [
                new MetricTable(
                    "average-precision",
                    ClassScores.Names(_names, precisions.Count),
                    ["average-precision"],
                    [.. precisions.Select(p => (double[])[p])]),
            ]);
    }

    private double Average(int one)
    {
        var samples = _scores.Count / _classes;
        var ranked = Enumerable.Range(0, samples)
            .Select(i => (Score: _scores[(i * _classes) + one], Label: _labels[(i * _classes) + one]))
            .OrderByDescending(pair => pair.Score)
            .ToList();
        double positives = ranked.Count(pair => pair.Label), right = 0, area = 0;
        for (var i = 0; i < ranked.Count;)
        {
            // Equal scores pass the threshold together.
            var (end, gained) = (i, 0);
            for (; end < ranked.Count && ranked[end].Score.Equals(ranked[i].Score); end++) gained += ranked[end].Label ? 1 : 0;
            right += gained;
            area += gained / positives * (right / end);
            i = end;
        }

        return positives == 0 ? double.NaN : area;
    }
}
