using System.Globalization;
using Frostline.Training.Data;

namespace Frostline.Training.Tests.Data;

/// <summary>Samples whose field <c>x</c> holds their index; labels as given.</summary>
internal sealed class FakeDataset(IReadOnlyList<int[]> labels, int classes, bool multiLabel = false) : IDataset
{
    public static FakeDataset Of(int count, int classes = 2) =>
        new([.. Enumerable.Range(0, count).Select(i => new[] { i % classes })], classes);

    /// <summary>Runs before a sample is read; may throw or wait.</summary>
    public Action<int>? OnRead { get; init; }

    public Func<int, long[]>? ShapeOf { get; init; }

    public int Count => labels.Count;

    public ClassMap? Classes { get; } =
        classes == 0
            ? null
            : new ClassMap([.. Enumerable.Range(0, classes).Select(k => k.ToString(CultureInfo.InvariantCulture))], multiLabel);

    public IReadOnlyList<int> LabelsOf(int index) => labels[index];

    public string SourceOf(int index) => $"sample-{index}";

    public Sample Read(int index)
    {
        OnRead?.Invoke(index);
        var shape = ShapeOf?.Invoke(index) ?? [2];
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        Array.Fill(values, index);
        var sample = new Sample { Source = SourceOf(index) };
        sample.Set("x", SampleTensor.Of(values, shape));
        sample.Set("label", SampleTensor.Of(labels[index].FirstOrDefault()));
        return sample;
    }
}

/// <summary>Adds a draw to the field <c>x</c>.</summary>
internal sealed class AddDraw : ITransform
{
    public bool IsRandom => true;

    public void Apply(Sample sample, CounterRandom random)
    {
        var tensor = sample.Fields["x"].ToTensor();
        var draw = (float)random.NextDouble();
        sample.Set("x", SampleTensor.Of([.. ((float[])tensor.Values).Select(v => v + draw)], [.. tensor.Shape]));
    }
}
