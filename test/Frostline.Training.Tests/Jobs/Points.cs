using Frostline.Training.Data;
using Frostline.Training.Registration;
using static TorchSharp.torch;

namespace Frostline.Training.Tests.Jobs;

/// <summary>Options of <see cref="Points"/>.</summary>
public sealed class PointsOptions
{
    /// <summary>How many points; default 48.</summary>
    public int Count { get; set; } = 48;

    /// <summary>Which draw of points; default 0.</summary>
    public int Draw { get; set; }

    /// <summary>Whether points have any number of labels; default false.</summary>
    public bool MultiLabel { get; set; }

    /// <summary>A point whose coordinates are NaN; default none.</summary>
    public int? Broken { get; set; }

    /// <summary>How many problems the data is to have; default none.</summary>
    public int Problems { get; set; }

    /// <summary>Names of the classes; default three.</summary>
    public IReadOnlyList<string> Classes { get; set; } = ["left", "right", "top"];
}

/// <summary>Noisy points around one centre a class: an <c>image</c> of 6 numbers and a <c>label</c>.</summary>
public sealed class Points(PointsOptions options) : IDataset
{
    public const int Size = 6;

    public int Count => options.Count;

    public ClassMap Classes => new(options.Classes, options.MultiLabel);

    public IReadOnlyList<int> LabelsOf(int index) =>
        options.MultiLabel ? [.. Enumerable.Range(0, Classes.Names.Count).Where(k => (index >> k) % 2 == 1)] : [index % Classes.Names.Count];

    public string SourceOf(int index) => $"point-{index}";

    public IReadOnlyList<string> Problems => [.. Enumerable.Range(0, options.Problems).Select(i => $"entry {i} is left out")];

    public Sample Read(int index)
    {
        var random = new CounterRandom(options.Draw, $"point:{index}");
        var labels = LabelsOf(index);
        // A centre depends on the class's name, so that data sets of other orders agree.
        var values = Enumerable.Range(0, Size)
            .Select(i => (float)(random.NextNormal() + labels.Sum(k => 2 * new CounterRandom(i, Classes.Names[k]).NextNormal())))
            .ToArray();
        if (index == options.Broken) values[0] = float.NaN;
        var sample = new Sample { Source = SourceOf(index) };
        sample.Set("image", SampleTensor.Of(values, Size));
        if (!options.MultiLabel) sample.Set("label", SampleTensor.Of((long)labels[0]));
        else sample.Set("label", SampleTensor.Of([.. Enumerable.Range(0, Classes.Names.Count).Select(k => labels.Contains(k) ? 1f : 0f)], Classes.Names.Count));
        return sample;
    }
}

/// <summary>Options of the small networks.</summary>
public sealed class SmallOptions
{
    /// <summary>Whether it normalises by batch statistics; default true.</summary>
    public bool Norm { get; set; } = true;

    /// <summary>The probability of dropout; default 0.2.</summary>
    public double Dropout { get; set; } = 0.2;
}

/// <summary>A plain module, without stages: body (linear, norm), dropout, head.</summary>
public sealed class SmallNetwork : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor> drop, head;
    private readonly TorchSharp.Modules.Linear body;
    private readonly nn.Module<Tensor, Tensor>? norm;

    public SmallNetwork(SmallOptions options, int classes)
        : base(nameof(SmallNetwork))
    {
        body = nn.Linear(Points.Size, 8);
        norm = options.Norm ? nn.BatchNorm1d(8) : null;
        drop = nn.Dropout(options.Dropout);
        head = nn.Linear(8, classes);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        var x = body.call(input.to(body.weight.dtype));
        if (norm is not null) x = norm.call(x);
        return head.call(drop.call(nn.functional.relu(x)));
    }
}

/// <summary>Names the data and the network for recipes.</summary>
public sealed class PointsExtension : IFrostlineExtension
{
    public void Register(Registry registry)
    {
        registry.Datasets.Register<PointsOptions>("points", "noisy points", (options, _) => new Points(options));
        registry.Networks.Register<SmallOptions>("small", "a small network", (options, context) => new SmallNetwork(options, context.Classes!.Names.Count));
    }
}
