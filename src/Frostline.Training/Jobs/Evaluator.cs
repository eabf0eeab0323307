using Frostline.Native;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>What a data set gave.</summary>
/// <param name="Values">The numbers, <c>loss</c> first.</param>
/// <param name="Tables">The tables, for example the confusion matrix.</param>
public sealed record Evaluation(IReadOnlyList<MetricValue> Values, IReadOnlyList<MetricTable> Tables)
{
    /// <summary>The numbers by name.</summary>
    public IReadOnlyDictionary<string, double> ByName => Values.ToDictionary(v => v.Name, v => v.Value, StringComparer.Ordinal);

    /// <summary>The number of a name, or null.</summary>
    public MetricValue? Find(string name) => Values.FirstOrDefault(v => string.Equals(v.Name, name, StringComparison.Ordinal));
}

/// <summary>Measures a network on a data set: without gradients, in inference mode, in the order of the data set.</summary>
public sealed class Evaluator
{
    private readonly NetworkRunner _runner;
    private readonly BatchLoader _loader;
    private readonly ILoss _loss;
    private readonly IReadOnlyList<IMetric> _metrics;
    private readonly torch.Device _device;
    private double _sum;
    private double _weight;

    /// <summary>Creates an evaluator.</summary>
    /// <param name="runner">The network.</param>
    /// <param name="loader">The data, in the order <see cref="SamplingMode.Sequential"/>.</param>
    /// <param name="loss">The loss, whose mean is the number <c>loss</c>.</param>
    /// <param name="metrics">The metrics.</param>
    /// <param name="device">Where the network is.</param>
    /// <exception cref="FrostlineException">Two metrics yield a number of one name.</exception>
    public Evaluator(NetworkRunner runner, BatchLoader loader, ILoss loss, IReadOnlyList<IMetric> metrics, torch.Device device)
    {
        (_runner, _loader, _loss, _metrics, _device) = (runner, loader, loss, metrics, device);
        Names = NamesOf(metrics);
    }

    /// <summary>The names of the numbers that an evaluation yields, and whether higher is better.</summary>
    public IReadOnlyDictionary<string, bool> Names { get; }

    /// <summary>How many batches an evaluation has.</summary>
    public int Batches => _loader.BatchesPerEpoch;

    /// <summary>The names of the numbers that metrics yield beside <c>loss</c>, and whether higher is better.</summary>
    /// <param name="metrics">The metrics; they are reset.</param>
    /// <exception cref="FrostlineException">Two of them yield a number of one name.</exception>
    public static IReadOnlyDictionary<string, bool> NamesOf(IReadOnlyList<IMetric> metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        var names = new Dictionary<string, bool>(StringComparer.Ordinal) { ["loss"] = false };
        foreach (var metric in metrics)
        {
            metric.Reset();
            foreach (var value in metric.Result().Values)
            {
                if (!names.TryAdd(value.Name, value.HigherIsBetter))
                    throw new FrostlineException($"two metrics yield \"{value.Name}\"; leave one of them out of metrics");
            }
        }

        return names;
    }

    /// <summary>Measures. The network is put into inference mode and left in it.</summary>
    /// <param name="progress">Is told the number of batches done, or null.</param>
    /// <param name="cancellation">Ends it with an <see cref="OperationCanceledException"/>.</param>
    public Evaluation Run(Action<int>? progress = null, CancellationToken cancellation = default)
    {
        Begin();
        using var noGrad = torch.no_grad();
        foreach (var batch in _loader.Epoch(0, 0, cancellation))
        {
            using var pause = FinalizerPause.Enter();
            using var scope = torch.NewDisposeScope();
            var fields = HostTensors.Of(batch, _device);
            var features = _runner.Features(batch, fields);
            var number = batch.Number;
            batch.Dispose();
            Add(fields, _runner.Run(fields, features));
            progress?.Invoke(number + 1);
        }

        return Result();
    }

    /// <summary>Begins to measure what <see cref="Add"/> is given. The network is put into inference mode and left in it.</summary>
    internal void Begin()
    {
        foreach (var metric in _metrics) metric.Reset();
        (_sum, _weight) = (0, 0);
        _runner.Network.eval();
    }

    /// <summary>Measures a batch.</summary>
    /// <param name="fields">Its fields.</param>
    /// <param name="outputs">What the network puts out for it, without gradients.</param>
    internal void Add(IReadOnlyDictionary<string, torch.Tensor> fields, IReadOnlyDictionary<string, torch.Tensor> outputs)
    {
        var part = _loss.WeightOf(outputs, fields);
        _sum += _loss.Compute(outputs, fields).to(torch.float64).item<double>() * part;
        _weight += part;
        foreach (var metric in _metrics) metric.Add(outputs, fields);
    }

    /// <summary>What the batches since <see cref="Begin"/> gave.</summary>
    internal Evaluation Result()
    {
        var results = _metrics.Select(m => m.Result()).ToList();
        return new Evaluation(
            [
                new MetricValue("loss", _weight > 0 ? _sum / _weight : double.NaN, HigherIsBetter: false),
                .. results.SelectMany(r => r.Values),
            ],
            [.. results.SelectMany(r => r.Tables)]);
    }
}
