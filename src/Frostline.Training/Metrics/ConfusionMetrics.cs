using TorchSharp;

namespace Frostline.Training.Metrics;

/// <summary>What metrics share that count how often a class was taken for another.</summary>
public abstract class ConfusionCounts : IMetric
{
    private readonly ClassMetricOptions _options;
    private readonly string _reader;
    private readonly IReadOnlyList<string>? _names;
    private long[,] _counts = new long[0, 0];

    /// <summary>Creates the counts.</summary>
    /// <param name="options">Which output and field are read.</param>
    /// <param name="name">The metric's name.</param>
    /// <param name="names">The classes' names, or null for their indices.</param>
    protected ConfusionCounts(ClassMetricOptions options, string name, IReadOnlyList<string>? names)
    {
        _options = options ?? throw new ArgumentNullException(nameof(options));
        _reader = $"metric {name}";
        _names = names;
    }

    /// <summary>How many classes have been seen.</summary>
    protected int Classes => _counts.GetLength(0);

    /// <summary>The classes' names.</summary>
    protected IReadOnlyList<string> Names => ClassScores.Names(_names, Classes);

    /// <summary>How often samples of a class were taken for another.</summary>
    /// <param name="truth">The sample's class.</param>
    /// <param name="taken">The class with the greatest score.</param>
    protected long Count(int truth, int taken) => _counts[truth, taken];

    /// <inheritdoc/>
    public void Reset() => _counts = new long[0, 0];

    /// <inheritdoc/>
    public void Add(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var (scores, classes) = ClassScores.Scores(outputs, _options, _reader);
        if (Classes == 0) _counts = new long[classes, classes];
        var labels = ClassScores.Indices(fields, _options, _reader);
        for (var i = 0; i < labels.Length; i++)
        {
            if (labels[i] < 0 || labels[i] >= classes)
                throw new FrostlineException(
                    $"the {_reader} met the class index {labels[i]}, and the network has {classes} classes");
            // A row without any number is taken for a wrong class, the next one, so that it never counts as right.
            var taken = ClassScores.Best(scores.AsSpan(i * classes, classes));
            _counts[labels[i], taken >= 0 ? taken : (labels[i] + 1) % classes]++;
        }
    }

    /// <inheritdoc/>
    public abstract MetricResult Result();
}

/// <summary>
/// The confusion matrix as a table: a row for each true class, a column for each class with the greatest score.
/// </summary>
public sealed class ConfusionMatrixMetric : ConfusionCounts
{
    /// <summary>Creates the metric.</summary>
    /// <param name="options">Which output and field are read.</param>
    /// <param name="names">The classes' names, or null for their indices.</param>
    public ConfusionMatrixMetric(ClassMetricOptions options, IReadOnlyList<string>? names = null)
        : base(options, "confusion-matrix", names)
    {
    }

    /// <inheritdoc/>
    public override MetricResult Result()
    {
        var all = Enumerable.Range(0, Classes).ToList();
        IReadOnlyList<IReadOnlyList<double>> cells = [.. all.Select(t => (double[])[.. all.Select(p => (double)Count(t, p))])];
        return new MetricResult([], [new MetricTable("confusion-matrix", Names, Names, cells)]);
    }
}

/// <summary>
/// Precision, recall and F1 of each class as a table, with the number of samples, and their means over the classes
/// (<c>macro-f1</c>, <c>macro-precision</c>, <c>macro-recall</c>). As in scikit-learn with <c>zero_division=0</c>, a class that
/// was never predicted has precision 0; classes without a sample do not enter the means.
/// </summary>
public sealed class PerClassMetric : ConfusionCounts
{
    /// <summary>Creates the metric.</summary>
    /// <param name="options">Which output and field are read.</param>
    /// <param name="names">The classes' names, or null for their indices.</param>
    public PerClassMetric(ClassMetricOptions options, IReadOnlyList<string>? names = null)
        : base(options, "per-class", names)
    {
    }

    /// <inheritdoc/>
    public override MetricResult Result()
    {
        var rows = Enumerable.Range(0, Classes).Select(Row).ToList();
        return new MetricResult(
            [
                new MetricValue("macro-f1", ClassScores.Mean(rows.Select(r => r[2]))),
                new MetricValue("macro-precision", ClassScores.Mean(rows.Select(r => r[0]))),
                new MetricValue("macro-recall", ClassScores.Mean(rows.Select(r => r[1]))),
            ],
            [new MetricTable("per-class", Names, ["precision", "recall", "f1", "samples"], rows)]);
    }

    private IReadOnlyList<double> Row(int one)
    {
        var all = Enumerable.Range(0, Classes).ToList();
        double right = Count(one, one), samples = all.Sum(p => Count(one, p)), predicted = all.Sum(t => Count(t, one));
        if (samples == 0) return [double.NaN, double.NaN, double.NaN, 0];
        var precision = predicted == 0 ? 0 : right / predicted;
        return [precision, right / samples, 2 * right / (samples + predicted), samples];
    }
}
