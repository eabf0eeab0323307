using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using Frostline.Training.Registration;
using static TorchSharp.torch;

namespace Frostline.TestExtension;

/// <summary>A network, data set, transform, loss and metric that Frostline knows nothing of.</summary>
public sealed class PointsExtension : IFrostlineExtension
{
    public void Register(Registry registry)
    {
        registry.Networks.Register<PointNetworkOptions>("point-network", "two linear layers over points", (options, _) => new PointNetwork(options.Hidden));
        registry.Networks.Register<FaultyOptions>("faulty", "a network over points that is wired wrongly", (options, _) => new FaultyNetwork(options.Fault, 2, 2));
        registry.Datasets.Register<PointsOptions>("points", "points of two classes on a line", (options, _) => new PointsDataset(options.Count));
        registry.Transforms.Register<ScaleOptions>("scale-points", "multiplies points by a number", (options, _) => new ScalePoints(options.Factor));
        registry.Losses.Register<NoOptions>("squared-margin", "the squared distance of scores to one-hot labels", (_, _) => new SquaredMargin());
        registry.Metrics.Register<NoOptions>("mean-margin", "the mean score of the right class above the other's", (_, _) => new MeanMargin());
    }
}

public sealed class PointNetworkOptions
{
    /// <summary>How many hidden units there are. Default: 4.</summary>
    public int Hidden { get; set; } = 4;
}

public sealed class FaultyOptions
{
    /// <summary>What is wrong with it. Default: none.</summary>
    public Fault Fault { get; set; }
}

public sealed class PointsOptions
{
    /// <summary>How many points there are.</summary>
    [RequiredKey]
    public int Count { get; set; }
}

public sealed class ScaleOptions
{
    /// <summary>The number. Default: 1.</summary>
    [Shorthand]
    public double Factor { get; set; } = 1;
}

/// <summary>Maps points [B, 2] to scores [B, 2].</summary>
public sealed class PointNetwork : nn.Module<Tensor, Tensor>
{
    private readonly TorchSharp.Modules.Linear hidden;
    private readonly TorchSharp.Modules.Linear head;

    public PointNetwork(int units)
        : base(nameof(PointNetwork))
    {
        hidden = nn.Linear(2, units);
        head = nn.Linear(units, 2);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return head.call(nn.functional.relu(hidden.call(input))).MoveToOuterDisposeScope();
    }
}

public sealed class PointsDataset(int count) : IDataset
{
    public int Count => count;

    public ClassMap Classes { get; } = new(["left", "right"]);

    public IReadOnlyList<int> LabelsOf(int index) => [index % 2];

    public string SourceOf(int index) => $"point {index}";

    public Sample Read(int index)
    {
        var sample = new Sample { Source = SourceOf(index) };
        var side = index % 2 == 0 ? -1f : 1f;
        sample.Set("image", SampleTensor.Of([side * (1 + (index / 2 % 5)), index % 3], 2));
        sample.Set("label", SampleTensor.Of(index % 2));
        return sample;
    }
}

public sealed class ScalePoints(double factor) : ITransform
{
    public bool IsRandom => false;

    public void Apply(Sample sample, CounterRandom random)
    {
        var image = sample.Fields["image"].ToTensor();
        sample.Set("image", SampleTensor.Of([.. ((float[])image.Values).Select(v => (float)(v * factor))], [.. image.Shape]));
    }
}

public sealed class SquaredMargin : ILoss
{
    public Tensor Compute(IReadOnlyDictionary<string, Tensor> outputs, IReadOnlyDictionary<string, Tensor> fields)
    {
        var scores = outputs.Output("logits", "loss squared-margin");
        var labels = nn.functional.one_hot(fields.Field("label", "loss squared-margin"), scores.shape[1]);
        return (scores - labels).square().mean();
    }
}

public sealed class MeanMargin : IMetric
{
    private double _sum;
    private long _count;

    public void Reset() => (_sum, _count) = (0, 0);

    public void Add(IReadOnlyDictionary<string, Tensor> outputs, IReadOnlyDictionary<string, Tensor> fields)
    {
        var scores = outputs.Output("logits", "metric mean-margin");
        var labels = fields.Field("label", "metric mean-margin").unsqueeze(1);
        var right = scores.gather(1, labels);
        var other = scores.gather(1, 1 - labels);
        _sum += (right - other).sum().to(float64).item<double>();
        _count += scores.shape[0];
    }

    public MetricResult Result() => MetricResult.Of("mean-margin", _count == 0 ? double.NaN : _sum / _count);
}
