using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Metrics;

/// <summary>Options of <see cref="TopKMetric"/>.</summary>
public sealed class TopKOptions : ClassMetricOptions
{
    /// <summary>How many of the best classes may hold the right one, at least 1; default 5.</summary>
    [Shorthand]
    public int K { get; set; } = 5;
}

/// <summary>
/// The share of samples whose class is among the k with the greatest scores, in [0, 1]. With k = 1 it is called
/// <c>accuracy</c>, otherwise <c>top-k</c> with the number. Equal scores count in the order of the classes.
/// </summary>
public sealed class TopKMetric : IMetric
{
    private readonly TopKOptions _options;
    private readonly string _name;
    private long _right, _all;

    /// <summary>Creates the metric.</summary>
    /// <param name="options">Its options.</param>
    /// <exception cref="FrostlineException">k is less than 1.</exception>
    public TopKMetric(TopKOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.K < 1) throw new FrostlineException($"the metric top-k has k {options.K}; it has to be 1 or more");
        _options = options;
        _name = options.K == 1 ? "accuracy" : FormattableString.Invariant($"top-{options.K}");
    }

    /// <inheritdoc/>
    public void Reset() => _right = _all = 0;

    /// <inheritdoc/>
    public void Add(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var (scores, classes) = ClassScores.Scores(outputs, _options, $"metric {_name}");
        var labels = ClassScores.Indices(fields, _options, $"metric {_name}");
        for (var i = 0; i < labels.Length; i++)
        {
            var row = scores.AsSpan(i * classes, classes);
            if (labels[i] >= 0 && labels[i] < classes && ClassScores.Rank(row, (int)labels[i]) < _options.K) _right++;
        }

        _all += labels.Length;
    }

    /// <inheritdoc/>
    public MetricResult Result() => MetricResult.Of(_name, ClassScores.Ratio(_right, _all));
}
