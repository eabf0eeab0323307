using CsCheck;
using Frostline.Testing;
using Frostline.Training.Data;
using Xunit;

namespace Frostline.Training.Tests.Data;

public sealed class DatasetSplitTests
{
    private static readonly int[] ClassSizes = [2, 9, 40, 101];

    [Fact]
    public void Each_class_is_shared_to_within_one_sample()
    {
        var labels = Gen.Int[0, 6].Array[20, 200];
        Gen.Select(labels, Gen.Double[0.05, 0.6], Gen.Long).Holds(
            (l, fraction, seed) =>
            {
                var dataset = new FakeDataset([.. l.Select(k => new[] { k })], 7);
                var (train, validation) = DatasetSplit.Stratified(dataset, fraction, seed);
                Assert.InRange(validation.Count, (fraction * l.Length) - 0.51, (fraction * l.Length) + 0.51);
                Assert.Equal(Enumerable.Range(0, l.Length), train.Indices.Concat(validation.Indices).Order());
                for (var k = 0; k < 7; k++)
                {
                    var inClass = l.Count(x => x == k);
                    var there = validation.Indices.Count(i => l[i] == k);
                    Assert.True(Math.Abs(there - (fraction * inClass)) < 1, $"class {k}: {there} of {inClass} at {fraction}");
                }
            },
            samples: 200);
    }

    [Fact]
    public void Several_labels_are_shared_evenly()
    {
        var random = new CounterRandom(3, "labels");
        var labels = Enumerable.Range(0, 1000).Select(_ => Enumerable.Range(0, 6).Where(k => random.NextDouble() < 0.04 * (k + 1)).ToArray()).ToArray();
        var dataset = new FakeDataset(labels, 6, multiLabel: true);
        var (_, validation) = DatasetSplit.Stratified(dataset, 0.2, 1);
        Assert.InRange(validation.Count, 190, 210);
        for (var k = 0; k < 6; k++)
        {
            var expected = 0.2 * labels.Count(l => l.Contains(k));
            Assert.InRange(validation.Indices.Count(i => labels[i].Contains(k)), expected - 3, expected + 3);
        }
    }

    [Fact]
    public void A_split_is_a_function_of_the_seed()
    {
        var dataset = FakeDataset.Of(100);
        var once = DatasetSplit.Stratified(dataset, 0.25, 1).Validation.Indices;
        Assert.Equal(once, DatasetSplit.Stratified(dataset, 0.25, 1).Validation.Indices);
        Assert.NotEqual(once, DatasetSplit.Stratified(dataset, 0.25, 2).Validation.Indices);
        Assert.InRange(DatasetSplit.Stratified(new FakeDataset([.. Enumerable.Range(0, 40).Select(_ => Array.Empty<int>())], 0), 0.25, 1).Validation.Count, 10, 10);
    }

    [Fact]
    public void Impossible_splits_are_refused()
    {
        var dataset = FakeDataset.Of(4);
        foreach (var fraction in new[] { 0, 1, -0.5, 2, double.NaN })
            Assert.Throws<FrostlineException>(() => DatasetSplit.Stratified(dataset, fraction, 0));
        Assert.Contains(
            "cannot be split",
            Assert.Throws<FrostlineException>(() => DatasetSplit.Stratified(FakeDataset.Of(1), 0.5, 0)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_per_class_keeps_the_order_and_depends_on_the_seed()
    {
        var labels = ClassSizes.SelectMany((n, k) => Enumerable.Repeat(new[] { k }, n)).ToArray();
        var dataset = new FakeDataset(labels, 4);
        var subset = DatasetSplit.PerClass(dataset, 10, 5);
        Assert.Equal([2, 9, 10, 10], Enumerable.Range(0, 4).Select(k => subset.Indices.Count(i => labels[i][0] == k)));
        Assert.Equal(subset.Indices.Order(), subset.Indices);
        Assert.Equal(subset.Indices, DatasetSplit.PerClass(dataset, 10, 5).Indices);
        Assert.NotEqual(subset.Indices, DatasetSplit.PerClass(dataset, 10, 6).Indices);
        Assert.Equal(subset.SourceOf(3), dataset.SourceOf(subset.Indices[3]));
        Assert.Throws<FrostlineException>(() => DatasetSplit.PerClass(dataset, 0, 5));
    }
}
