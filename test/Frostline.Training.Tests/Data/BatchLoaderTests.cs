using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Training.Data;
using Xunit;

namespace Frostline.Training.Tests.Data;

public sealed class BatchLoaderTests
{
    private static readonly BatchLoaderOptions Options = new() { BatchSize = 4, Seed = 7, Transforms = [new AddDraw()] };

    [Fact]
    public void Batches_are_the_same_for_any_number_of_workers()
    {
        // Samples take unlike times, so that workers overtake each other.
        var dataset = new FakeDataset([.. Enumerable.Range(0, 31).Select(i => new[] { i % 3 })], 3)
        {
            OnRead = i => Thread.SpinWait(i % 5 * 20_000),
        };
        var one = Record(dataset, Options with { Workers = 1 }, epoch: 3);
        var four = Record(dataset, Options with { Workers = 4, BatchesAhead = 3 }, epoch: 3);
        Assert.Equal(8, one.Count);
        Assert.Equal(one, four);
    }

    [Theory]
    [InlineData(SamplingMode.Shuffled)]
    [InlineData(SamplingMode.Balanced)]
    public void Order_and_draws_differ_from_epoch_to_epoch_and_from_seed_to_seed(SamplingMode mode)
    {
        var dataset = FakeDataset.Of(32);
        var options = Options with { Sampling = mode };
        var first = Record(dataset, options, epoch: 0);
        Assert.Equal(first, Record(dataset, options, epoch: 0));
        Assert.NotEqual(SampleOrder.Of(dataset, mode, 7, 0), SampleOrder.Of(dataset, mode, 7, 1));
        Assert.NotEqual(SampleOrder.Of(dataset, mode, 7, 0), SampleOrder.Of(dataset, mode, 8, 0));
        Assert.NotEqual(first, Record(dataset, options, epoch: 1));
    }

    [Fact]
    public void A_draw_is_a_function_of_seed_epoch_and_index_alone()
    {
        using var shuffled = new BatchLoader(FakeDataset.Of(10), Options);
        using var sequential = new BatchLoader(
            FakeDataset.Of(10),
            Options with { Sampling = SamplingMode.Sequential, BatchSize = 3 });
        var expected = Enumerable.Range(0, 10).ToDictionary(
            i => i,
            i => i + (float)new CounterRandom(7, $"augment:5:{i}").NextDouble());
        Assert.Equal(expected, ByIndex(shuffled));
        Assert.Equal(expected, ByIndex(sequential));

        static Dictionary<int, float> ByIndex(BatchLoader loader) => loader.Epoch(5)
            .SelectMany(b => b.Indices.Select((index, row) => (index, Value: ((float[])b.Fields["x"].Values)[2 * row])))
            .OrderBy(p => p.index).ToDictionary(p => p.index, p => p.Value);
    }

    [Fact]
    public void A_sample_that_balanced_sampling_repeats_draws_anew()
    {
        var dataset = new FakeDataset([[0], [1], [1], [1], [1], [1], [1], [1]], 2);
        using var loader = new BatchLoader(dataset, Options with { Sampling = SamplingMode.Balanced, BatchSize = 8 });
        var batch = loader.Epoch(0).Single();
        var drawn = (float[])batch.Fields["x"].Values;
        var values = batch.Indices.Select((index, row) => (index, Value: drawn[2 * row])).Where(p => p.index == 0).ToList();
        Assert.True(values.Count > 1);
        Assert.Equal(values.Count, values.Distinct().Count());
    }

    [Theory]
    [InlineData(SamplingMode.Shuffled)]
    [InlineData(SamplingMode.Balanced)]
    public void An_epoch_started_at_any_batch_gives_the_very_same_remaining_batches(SamplingMode mode)
    {
        var dataset = FakeDataset.Of(18);
        var options = Options with { Sampling = mode };
        var whole = Record(dataset, options, epoch: 2);
        for (var first = 0; first <= whole.Count; first++)
            Assert.Equal(whole.Skip(first), Record(dataset, options, epoch: 2, first));
    }

    [Fact]
    public void Reading_ahead_is_bounded()
    {
        var read = 0;
        using var loader = new BatchLoader(
            new FakeDataset([.. Enumerable.Range(0, 400).Select(_ => new[] { 0 })], 1) { OnRead = _ => Interlocked.Increment(ref read) },
            Options with { Workers = 4, BatchesAhead = 3 });
        var delivered = 0;
        foreach (var batch in loader.Epoch(0))
        {
            delivered++;
            // The workers get the time to read all that they may; one sample more is one too many.
            if (delivered % 10 == 1) SpinWait.SpinUntil(() => Volatile.Read(ref read) >= Math.Min(400, (delivered + 3) * 4), 100);
            // The batch in hand and three ahead of it, four samples each.
            Assert.InRange(Volatile.Read(ref read), delivered * 4, (delivered + 3) * 4);
            batch.Dispose();
        }

        Assert.Equal(100, delivered);
        Assert.Equal(400, read);
    }

    [Fact]
    public void Disposed_batches_give_their_arrays_back_and_others_keep_them()
    {
        using var loader = new BatchLoader(
            FakeDataset.Of(64),
            Options with { Sampling = SamplingMode.Sequential, Transforms = [] });
        HashSet<object> arrays = new(ReferenceEqualityComparer.Instance);
        foreach (var batch in loader.Epoch(0))
        {
            Assert.Equal(batch.Indices.Select(i => (float)i), ((float[])batch.Fields["x"].Values).Where((_, i) => i % 2 == 0));
            arrays.Add(batch.Fields["x"].Values);
            batch.Dispose();
            batch.Dispose();
        }

        Assert.InRange(arrays.Count, 1, 6);
        var kept = loader.Epoch(0).ToList();
        Assert.Equal(
            Enumerable.Range(0, 64),
            kept.SelectMany(b => ((float[])b.Fields["x"].Values).Where((_, i) => i % 2 == 0)).Select(v => (int)v));
    }

    [Fact]
    public void The_last_batch_is_smaller_or_left_out()
    {
        var dataset = FakeDataset.Of(10);
        using var keep = new BatchLoader(dataset, Options);
        using var drop = new BatchLoader(dataset, Options with { DropLast = true });
        Assert.Equal(3, keep.BatchesPerEpoch);
        Assert.Equal([4, 4, 2], keep.Epoch(0).Select(b => b.Count));
        Assert.Equal(2, drop.BatchesPerEpoch);
        Assert.Equal([4, 4], drop.Epoch(0).Select(b => b.Count));
        Assert.Contains(
            "not one full batch of 16",
            Assert.Throws<FrostlineException>(
                () => new BatchLoader(dataset, Options with { DropLast = true, BatchSize = 16 })).Message,
            StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => new BatchLoader(FakeDataset.Of(0), Options));
        Assert.Throws<FrostlineException>(() => new BatchLoader(dataset, Options with { Workers = 0 }));
    }

    [Fact]
    public void Fields_are_collated_with_a_batch_dimension()
    {
        using var loader = new BatchLoader(
            FakeDataset.Of(3),
            Options with { Sampling = SamplingMode.Sequential, Transforms = [] });
        var batch = loader.Epoch(0).Single();
        Assert.Equal((TensorType.Float32, "3,2"), (batch.Fields["x"].Type, string.Join(',', batch.Fields["x"].Shape)));
        Assert.Equal(new float[] { 0, 0, 1, 1, 2, 2 }, batch.Fields["x"].Values);
        Assert.Equal((TensorType.Int64, "3"), (batch.Fields["label"].Type, string.Join(',', batch.Fields["label"].Shape)));
        Assert.Equal(new long[] { 0, 1, 0 }, batch.Fields["label"].Values);
        Assert.Equal(["sample-0", "sample-1", "sample-2"], batch.Sources);
    }

    [Fact]
    public void Samples_of_unlike_shape_are_named()
    {
        var dataset = new FakeDataset([[0], [0], [0]], 1) { ShapeOf = i => [3, 8, i == 2 ? 9 : 8] };
        using var loader = new BatchLoader(dataset, Options with { Sampling = SamplingMode.Sequential, Transforms = [] });
        var error = Assert.Throws<FrostlineException>(() => loader.Epoch(0).ToList());
        Assert.Contains("sample-0 and sample-2", error.Message, StringComparison.Ordinal);
        Assert.Contains("[3, 8, 8]", error.Message, StringComparison.Ordinal);
        Assert.Contains("[3, 8, 9]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unreadable_samples_end_the_epoch_by_name()
    {
        using var loader = new BatchLoader(Damaged(5, 9), Options with { Sampling = SamplingMode.Sequential, Workers = 4 });
        var seen = new List<int>();
        var error = Assert.Throws<UnreadableSampleException>(() =>
        {
            foreach (var batch in loader.Epoch(0)) seen.AddRange(batch.Indices);
        });
        Assert.Equal("sample-5", error.SampleSource);
        Assert.Equal([0, 1, 2, 3], seen);
    }

    [Fact]
    public void Unreadable_samples_are_skipped_and_reported_where_the_recipe_says_so()
    {
        var options = Options with { Sampling = SamplingMode.Sequential, Unreadable = UnreadablePolicy.Skip, Workers = 4 };
        using var loader = new BatchLoader(Damaged(1, 4, 5, 6, 7), options);
        var batches = loader.Epoch(0).ToList();
        Assert.Equal([0, 2], batches.Select(b => b.Number));
        Assert.Equal([0, 2, 3, 8, 9, 10, 11], batches.SelectMany(b => b.Indices));
        Assert.Equal([1], batches[0].Skipped.Select(s => s.Index));
        Assert.Equal([4, 5, 6, 7], batches[1].Skipped.Select(s => s.Index));
        Assert.Equal(2, loader.Epoch(1).Count());
        Assert.Equal(["sample-1", "sample-4", "sample-5", "sample-6", "sample-7"], loader.Skipped.Select(s => s.Source));
        Assert.Contains("broken", loader.Skipped[0].Reason, StringComparison.Ordinal);

        using var nothing = new BatchLoader(Damaged([.. Enumerable.Range(0, 12)]), options);
        Assert.Contains(
            "none of the 12 samples",
            Assert.Throws<FrostlineException>(() => nothing.Epoch(0).ToList()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_worker_throws_arrives_as_it_is()
    {
        var thrown = new InvalidOperationException("a bug");
        var dataset = new FakeDataset([[0], [0]], 1) { OnRead = i => { if (i == 1) throw thrown; } };
        using var loader = new BatchLoader(dataset, Options);
        var caught = Assert.Throws<InvalidOperationException>(() => loader.Epoch(0).ToList());
        Assert.Same(thrown, caught);
        Assert.Contains("FakeDataset.Read", caught.StackTrace!, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelling_and_disposing_end_the_enumeration()
    {
        using var cancel = new CancellationTokenSource();
        using var gate = new ManualResetEventSlim();
        var dataset = new FakeDataset([.. Enumerable.Range(0, 40).Select(_ => new[] { 0 })], 1) { OnRead = _ => gate.Wait(20) };
        using var loader = new BatchLoader(dataset, Options);
        cancel.CancelAfter(10);
        Assert.ThrowsAny<OperationCanceledException>(() => loader.Epoch(0, 0, cancel.Token).Count());
        using var batches = loader.Epoch(0).GetEnumerator();
        Assert.True(batches.MoveNext());
        loader.Dispose();
        Assert.ThrowsAny<OperationCanceledException>(() => batches.MoveNext());
        Assert.Throws<ObjectDisposedException>(() => loader.Epoch(0));
    }

    [Fact]
    public void Leaving_an_enumeration_early_stops_the_workers()
    {
        var read = 0;
        var dataset = new FakeDataset([.. Enumerable.Range(0, 400).Select(_ => new[] { 0 })], 1) { OnRead = _ => Interlocked.Increment(ref read) };
        using var loader = new BatchLoader(dataset, Options);
        foreach (var batch in loader.Epoch(0)) break;
        var after = Volatile.Read(ref read);
        Assert.False(SpinWait.SpinUntil(() => Volatile.Read(ref read) != after, 30));
        Assert.InRange(after, 4, 12);
    }

    [Fact]
    public void Balanced_sampling_makes_classes_equally_likely()
    {
        var labels = Enumerable.Range(0, 5000).Select(i => new[] { i % 50 == 0 ? 0 : i % 50 == 1 ? 2 : 3 }).ToArray();
        var dataset = new FakeDataset(labels, 4);
        var order = SampleOrder.Of(dataset, SamplingMode.Balanced, 1, 0);
        Assert.Equal(5000, order.Length);
        foreach (var k in new[] { 0, 2, 3 }) Assert.InRange(order.Count(i => labels[i][0] == k), 1550, 1780);
        Assert.Contains(
            "classes",
            Assert.Throws<FrostlineException>(
                () => SampleOrder.Of(new FakeDataset([[]], 0), SamplingMode.Balanced, 1, 0)).Message,
            StringComparison.Ordinal);
    }

    private static FakeDataset Damaged(params int[] damaged) => new([.. Enumerable.Range(0, 12).Select(_ => new[] { 0 })], 1)
    {
        OnRead = i => { if (damaged.Contains(i)) throw new UnreadableSampleException($"sample-{i}", "broken"); },
    };

    private static List<string> Record(IDataset dataset, BatchLoaderOptions options, int epoch, int first = 0)
    {
        using var loader = new BatchLoader(dataset, options);
        return [.. loader.Epoch(epoch, first).Select(b =>
            $"{b.Number}: {string.Join(' ', b.Indices)} | {Bits((float[])b.Fields["x"].Values)} | {string.Join(' ', (long[])b.Fields["label"].Values)}")];

        static string Bits(float[] values) => string.Join(' ', values.Select(v => v.ToString("R", CultureInfo.InvariantCulture)));
    }
}
