using System.Globalization;
using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Features;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Features;

/// <summary>Loaders whose samples have several rows: frames of a film, of which neighbouring samples share some.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class FeatureCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Doubling _engine = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_frame_that_several_samples_share_is_evaluated_once_and_comes_back_in_every_place()
    {
        using var store = Open();
        using var loader = Loader(new Frames(10), store);
        for (var epoch = 0; epoch < 2; epoch++)
        {
            foreach (var batch in loader.Epoch(epoch)) Check(batch);
        }

        // Samples are frames t-1, t, t+1 of ten, repeated at the edges.
        Assert.Equal(10, _engine.Rows);
        Assert.Equal(10, store.Count);
    }

    [Fact]
    public void Frames_that_are_stored_are_not_decoded()
    {
        using (var store = Open())
        using (var loader = Loader(new Frames(6), store))
            foreach (var batch in loader.Epoch(0)) Check(batch);
        var frames = new Frames(6);
        using (var store = Open())
        using (var loader = Loader(frames, store))
            foreach (var batch in loader.Epoch(0)) Check(batch);
        Assert.Equal((0, 6), (frames.Decoded, frames.Opened));
        Assert.Equal(6, _engine.Rows);
    }

    [Fact]
    public void A_batch_of_stored_and_missing_frames_is_put_together_in_order()
    {
        using var store = Open();
        using (var few = Loader(new SubsetDataset(new Frames(10), [2, 3]), store))
            foreach (var batch in few.Epoch(0)) Check(batch);
        Assert.Equal(4, _engine.Rows);
        using var loader = Loader(new Frames(10), store);
        foreach (var batch in loader.Epoch(0)) Check(batch);
        Assert.Equal(10, _engine.Rows);
    }

    [Fact]
    public void What_the_engine_puts_out_in_another_shape_is_named()
    {
        using var store = FeatureStore.Open(_folder.Path, new string('a', 32), new FeatureSchema(new TensorInfo("features", TensorType.Float32, [3])));
        using var loader = Loader(new Frames(4), store);
        using var scope = torch.NewDisposeScope();
        var error = Assert.Throws<FrostlineException>(() => FeatureCompletion.Complete(loader.Epoch(0).First().Features!, _engine));
        Assert.Contains("became [4, 2] for 4 rows", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_samples_lie_one_behind_the_other_in_a_batch_without_a_store_too()
    {
        using var loader = new BatchLoader(new Frames(4), new BatchLoaderOptions { BatchSize = 2, Sampling = SamplingMode.Sequential });
        using var batch = loader.Epoch(0).First();
        Assert.Equal([6, 2], batch.Fields["image"].Shape);
        Assert.Equal([0f, 0f, 0f, 0f, 1f, 1f, 0f, 0f, 1f, 1f, 2f, 2f], (float[])batch.Fields["image"].Values);
        Assert.Equal([2], batch.Fields["label"].Shape);
    }

    [Fact]
    public void Chunks_are_the_same_in_every_epoch_and_each_epoch_visits_every_sample_once()
    {
        var (first, second) = (SampleOrder.InChunks(100, 10, seed: 4, epoch: 0), SampleOrder.InChunks(100, 10, seed: 4, epoch: 1));
        Assert.Equal(Enumerable.Range(0, 100), first.Order());
        Assert.NotEqual(first, second);
        Assert.Equal(Chunks(first), Chunks(second));
        Assert.NotEqual(Chunks(first), Chunks(SampleOrder.InChunks(100, 10, seed: 5, epoch: 0)));
        // Neighbours of the data set, which often have one label, are dealt out to many chunks.
        Assert.All(first.Chunk(10), chunk => Assert.True(chunk.Max() - chunk.Min() > 30));
        Assert.Equal(Enumerable.Range(0, 103), SampleOrder.InChunks(103, 10, seed: 4, epoch: 0).Order());

        static SortedSet<string> Chunks(int[] order) =>
            new(order.Chunk(10).Select(chunk => string.Join(',', chunk.Order())), StringComparer.Ordinal);
    }

    [Fact]
    public void A_store_that_outgrows_memory_is_visited_chunk_by_chunk_and_gives_the_same_features()
    {
        using var store = Open();
        using var loader = Loader(new Frames(40), store, SamplingMode.Shuffled, chunk: 8);
        for (var epoch = 0; epoch < 2; epoch++)
        {
            var visited = new List<int>();
            foreach (var batch in loader.Epoch(epoch))
            {
                visited.AddRange(batch.Indices);
                Check(batch);
            }

            Assert.Equal(SampleOrder.InChunks(40, 8, seed: 0, epoch), visited);
        }

        Assert.Equal(40, _engine.Rows);
    }

    private FeatureStore Open() =>
        FeatureStore.Open(_folder.Path, new string('a', 32), new FeatureSchema(new TensorInfo("features", TensorType.Float32, [2])));

    private static BatchLoader Loader(IDataset dataset, FeatureStore store, SamplingMode sampling = SamplingMode.Sequential, int? chunk = null)
    {
        var variants = FeatureVariants.Of([], null, 0, out _)!;
        return new BatchLoader(dataset, new BatchLoaderOptions { BatchSize = 4, Sampling = sampling })
        {
            Features = new FeatureCache(dataset, ["image"], "", variants, store),
            ShuffleChunk = chunk,
        };
    }

    /// <summary>Has a batch's features completed, and compares them with twice its frames.</summary>
    private void Check(HostBatch batch)
    {
        using var scope = torch.NewDisposeScope();
        var (features, _) = FeatureCompletion.Complete(batch.Features!, _engine);
        var samples = (long[])batch.Fields["label"].Values;
        var count = int.Parse(batch.Sources[0].Split('/')[1], CultureInfo.InvariantCulture);
        Assert.Equal(batch.Sources, samples.Select(sample => $"frame-{sample}/{count}"));
        var expected = samples.SelectMany(sample => Frames.Of((int)sample, count)).SelectMany(frame => new[] { 2f * frame, 2f * frame });
        Assert.Equal(expected, features["features"].data<float>().ToArray());
        batch.Dispose();
    }

    /// <summary>Puts out twice what it is given, and counts.</summary>
    private sealed class Doubling : IPrefixEngine
    {
        public long Rows { get; private set; }

        public string Name => "doubling";

        public string Precision => "float32";

        public IReadOnlyDictionary<string, torch.Tensor> Run(IReadOnlyDictionary<string, torch.Tensor> inputs)
        {
            Rows += inputs["image"].shape[0];
            using Scalar two = 2;
            return new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { ["features"] = inputs["image"].mul(two) };
        }

        public void Dispose()
        {
        }
    }

    /// <summary>A film of which sample t is the frames t-1, t and t+1; frame t is the number t, twice.</summary>
    private sealed class Frames(int count) : IDataset
    {
        private int _decoded;
        private int _opened;

        public int Decoded => _decoded;

        public int Opened => _opened;

        public int Count => count;

        public ClassMap? Classes => null;

        public static IEnumerable<int> Of(int index, int count) => [Math.Max(0, index - 1), index, Math.Min(count - 1, index + 1)];

        public IReadOnlyList<int> LabelsOf(int index) => [];

        public string SourceOf(int index) => $"frame-{index}/{count}";

        public Sample Read(int index)
        {
            Interlocked.Increment(ref _decoded);
            var sample = Partial(index, isPartial: false);
            sample.Set("image", SampleTensor.Of([.. Of(index, count).SelectMany(frame => new float[] { frame, frame })], 3, 2) with { IsRows = true });
            return sample;
        }

        public SampleContent? Open(int index)
        {
            Interlocked.Increment(ref _opened);
            UInt128[] rows = [.. Of(index, count).Select(frame => FeatureKey.HashOf(MemoryMarshal.AsBytes<int>([frame])))];
            return new SampleContent(rows, () => Read(index), () => Partial(index, isPartial: true));
        }

        private Sample Partial(int index, bool isPartial)
        {
            var sample = new Sample { Source = SourceOf(index), IsPartial = isPartial };
            sample.Set("label", SampleTensor.Of((long)index));
            return sample;
        }
    }
}
