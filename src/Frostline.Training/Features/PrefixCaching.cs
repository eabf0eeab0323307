using System.Diagnostics;
using System.IO.Hashing;
using System.Text;
using Frostline.Checkpoints;
using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Features;

/// <summary>A prefix with its engine, as it is to be stored.</summary>
/// <param name="Prefix">The prefix.</param>
/// <param name="Engine">What computes it.</param>
/// <param name="NetworkInputs">The names of all that the network reads.</param>
/// <param name="Epochs">How many epochs it stays as it is.</param>
internal sealed record CachedPrefix(FrozenPrefix Prefix, IPrefixEngine Engine, IReadOnlyList<string> NetworkInputs, int Epochs);

/// <summary>
/// Decides whether the features of a training are stored, opens the stores, and gives the loaders their caches. Features are stored for what is
/// trained on and for what is validated on, or for neither.
/// </summary>
internal sealed class PrefixCaching : IDisposable
{
    private const int LeastBatchesInChunk = 16;
    private const long ChunkBytes = 256 << 20;

    private readonly Recipe _recipe;
    private readonly TrainingData _data;
    private readonly BatchLoader _train;
    private readonly BatchLoader? _validate;
    private readonly Dictionary<string, FeatureStore> _stores = new(StringComparer.Ordinal);
    private readonly List<BatchLoader> _served = [];
    private Opened? _opened;

    /// <summary>Prepares; nothing is opened.</summary>
    /// <param name="recipe">What the training is.</param>
    /// <param name="data">Its data.</param>
    /// <param name="train">The loader of what is trained on.</param>
    /// <param name="validate">The loader of what is validated on, or null.</param>
    public PrefixCaching(Recipe recipe, TrainingData data, BatchLoader train, BatchLoader? validate) =>
        (_recipe, _data, _train, _validate) = (recipe, data, train, validate);

    private PrefixSettings Settings => _recipe.Prefix;

    /// <summary>Lets the loaders deliver samples as they are, and closes the stores.</summary>
    public void Close()
    {
        foreach (var loader in _served) (loader.Features, loader.ShuffleChunk) = (null, null);
        _served.Clear();
        _opened = null;
        foreach (var store in _stores.Values) store.Dispose();
        _stores.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    /// <summary>Decides, and opens what is needed.</summary>
    /// <param name="prefix">What is computed.</param>
    /// <param name="begun">How an interrupted training has decided; null where nobody has yet.</param>
    /// <returns>What was decided, and why.</returns>
    /// <exception cref="RecipeException">The recipe wants features stored that cannot be.</exception>
    public CacheSummary Open(CachedPrefix prefix, CacheSummary? begun)
    {
        Close();
        if (Settings.Cache == CacheMode.Off) return CacheSummary.None("the recipe says cache: off");
        if (begun is { Used: false }) return Without(CacheSummary.None($"as the training has begun: {begun.Reason}"), begun);
        try
        {
            var summary = OpenStores(prefix, begun);
            return summary.Used ? summary : Without(summary, begun);
        }
        catch (FeatureStoreException error)
        {
            // The disk is no reason to fail: everything can be computed.
            Close();
            return Without(CacheSummary.None(error.Message), begun);
        }
    }

    /// <summary>Goes on without a store in the order of samples in which an interrupted training began.</summary>
    private CacheSummary Without(CacheSummary summary, CacheSummary? begun)
    {
        if (begun?.ShuffleChunk is not { } chunk) return summary;
        _train.ShuffleChunk = chunk;
        _served.Add(_train);
        return summary with { ShuffleChunk = chunk };
    }

    private CacheSummary OpenStores(CachedPrefix prefix, CacheSummary? begun)
    {
        var isWanted = Settings.Cache == CacheMode.On || begun is { Used: true };
        var variants = FeatureVariants.Of(_data.TrainTransform, Settings.CachedVariants, _recipe.Seed, out var reason);
        var without = reason is not null ? $"{reason}; state cached-variants for a fixed number of results" : Impossible(prefix);
        if (variants is null || without is not null)
            return Settings.Cache == CacheMode.On ? throw _recipe.Error("prefix.cache", without!) : CacheSummary.None(without!);

        using var scope = torch.NewDisposeScope();
        var train = new Probe(_train, prefix, Settings.Storage.ToTensorType());
        if (train.Problem is { } problem)
            return Settings.Cache == CacheMode.On ? throw _recipe.Error("prefix.cache", problem) : CacheSummary.None(problem);
        var validate = _validate is null ? null : new Probe(_validate, prefix, Settings.Storage.ToTensorType());
        var costs = Costs(train, validate is { Problem: null } ? validate : null, variants, prefix) with { Memory = Memory(begun) };
        if (!isWanted && CachePlanner.IsCheap(costs) is { } cheap) return CacheSummary.None(cheap);
        var place = new StorePlace(
            FeatureStoreLocation.Root(Settings.Location is { } location ? _data.Context.PathOf(location) : null),
            FeatureStoreOptions.WithLimits(Settings.MaxGigabytes, Settings.KeepFreeGigabytes));
        costs = WithDisk(costs, place, IdentityOf(prefix, train), train);
        var decision = CachePlanner.Decide(costs, isWanted);
        if (!decision.Use) return CacheSummary.None(decision.Reason);

        var stores = (Train: OpenStore(place, train, prefix), Validate: validate is { Problem: null } ? OpenStore(place, validate, prefix) : null);
        _opened = new Opened(prefix, stores.Train, stores.Validate, costs.OutgrowsMemory ? costs.RowBytes * train.RowsPerSample : null);
        Serve(_recipe, _data, _train, _validate);
        return new CacheSummary(true, decision.Reason, variants.Count, variants.IsExact, Settings.Storage, stores.Train.Identity)
        {
            ShuffleChunk = _train.ShuffleChunk,
        };
    }

    /// <summary>
    /// Has the loaders of another training with the same prefix use the stores too; nothing happens where features are not stored.
    /// </summary>
    /// <param name="recipe">What that training is.</param>
    /// <param name="data">Its data.</param>
    /// <param name="train">The loader of what it trains on.</param>
    /// <param name="validate">The loader of what it validates on, or null.</param>
    public void Serve(Recipe recipe, TrainingData data, BatchLoader train, BatchLoader? validate)
    {
        if (_opened is not { } opened) return;
        var inputs = opened.Prefix.Prefix.Schedule.Inputs;
        var variants = FeatureVariants.Of(data.TrainTransform, recipe.Prefix.CachedVariants, recipe.Seed, out _)!;
        train.Features = new FeatureCache(train.Dataset, inputs, data.TransformText(forTraining: true), variants, opened.Train);
        train.ShuffleChunk = opened.LargeSampleBytes is { } bytes ? ChunkOf(train, bytes) : null;
        _served.Add(train);
        if (validate is null || opened.Validate is null) return;
        var plain = FeatureVariants.Of(data.Transform, null, recipe.Seed, out _)!;
        validate.Features = new FeatureCache(validate.Dataset, inputs, data.TransformText(forTraining: false), plain, opened.Validate);
        _served.Add(validate);
    }

    /// <summary>Why features cannot be stored, whatever they cost; null where they can.</summary>
    private string? Impossible(CachedPrefix prefix)
    {
        if (_recipe.Train.Mixup is not null) return "mixup mixes the inputs of samples anew in every epoch";
        if (prefix.Prefix.Suffix is { } suffix && suffix.Inputs.FirstOrDefault(prefix.NetworkInputs.Contains) is { } input)
            return $"the stages above the frost line read the network's input \"{input}\"";
        return new[] { _train.Dataset, _validate?.Dataset }.OfType<IDataset>().Any(dataset => !CanOpen(dataset))
            ? "the data set cannot tell the content of a sample without decoding it (IDataset.Open)"
            : null;
    }

    // One whose first sample cannot be read may have others that can.
    private static bool CanOpen(IDataset dataset)
    {
        try
        {
            return dataset.Open(0) is not null;
        }
        catch (UnreadableSampleException)
        {
            return true;
        }
    }

    private FeatureStore OpenStore(StorePlace place, Probe probe, CachedPrefix prefix)
    {
        var identity = IdentityOf(prefix, probe);
        if (_stores.TryGetValue(identity, out var open)) return open;
        var stages = prefix.Prefix.Schedule.Stages;
        return _stores[identity] = FeatureStore.Open(place.Root, identity, probe.Schema, place.Limits with
        {
            ReadThreads = 1,
            Description = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["network"] = _recipe.Model.Name,
                ["stages"] = stages.Count == 1 ? stages[0].Name : $"{stages[0].Name}..{stages[^1].Name}",
                ["engine"] = prefix.Engine.Name,
                ["precision"] = prefix.Engine.Precision,
            },
        });
    }

    /// <summary>All that the records have in common. Records of another type or shape are never met under one identity.</summary>
    private static string IdentityOf(CachedPrefix prefix, Probe probe)
    {
        var tensors = probe.Schema.Tensors.Select(tensor => $"{tensor.Type} {tensor.ShapeText} {tensor.Name}");
        var text = string.Join('\n', [prefix.Prefix.Identity(probe.Shapes), prefix.Engine.Name, prefix.Engine.Precision, .. tensors]);
        return Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(text)));
    }

    private CacheCosts Costs(Probe train, Probe? validate, FeatureVariants variants, CachedPrefix prefix) => new(
        (long)_train.Dataset.Count * train.RowsPerSample,
        validate is null ? 0 : (long)_validate!.Dataset.Count * validate.RowsPerSample,
        variants.Count,
        prefix.Epochs,
        train.Schema.RecordBytes,
        train.RowSeconds);

    /// <summary>
    /// How many bytes features may take in memory. The order of samples follows from it, so a training that is resumed keeps what it began with.
    /// </summary>
    private long Memory(CacheSummary? begun) => begun switch
    {
        { Used: true, ShuffleChunk: null } => long.MaxValue,
        { Used: true } => 0,
        _ when Settings.MemoryGigabytes is { } stated => (long)(stated * 1e9),
        _ => Math.Max(0, (long)(0.7 * (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet))),
    };

    private static CacheCosts WithDisk(CacheCosts costs, StorePlace place, string identity, Probe probe)
    {
        var (room, speed, stored) = (FeatureStores.Room(place.Root, place.Limits), DiskSpeed.Measure(place.Root), 0);
        if (Directory.Exists(Path.Combine(place.Root, identity)))
        {
            using var store = FeatureStore.Open(place.Root, identity, probe.Schema, place.Limits);
            stored = store.Count;
        }

        return costs with { Room = room, WriteSpeed = speed.Write, ReadSpeed = speed.Read, StoredRows = stored };
    }

    // Large enough to be read at the disk's speed and to shuffle many batches' samples, small enough to lie in memory while it is visited.
    private static int ChunkOf(BatchLoader loader, long sampleBytes) =>
        (int)Math.Min(loader.Dataset.Count, Math.Max(LeastBatchesInChunk * (long)loader.Options.BatchSize, ChunkBytes / sampleBytes));

    /// <summary>What is stored, and where.</summary>
    /// <param name="Prefix">What is computed.</param>
    /// <param name="Train">The store of what is trained on.</param>
    /// <param name="Validate">That of what is validated on; null where it is not stored.</param>
    /// <param name="LargeSampleBytes">How many bytes a sample's features take, where all of them outgrow memory; else null.</param>
    private sealed record Opened(CachedPrefix Prefix, FeatureStore Train, FeatureStore? Validate, long? LargeSampleBytes);

    private sealed record StorePlace(string Root, FeatureStoreOptions Limits);

    /// <summary>A look at a few samples: what is stored of each, and how long it takes.</summary>
    private sealed class Probe
    {
        public Probe(BatchLoader loader, CachedPrefix prefix, TensorType storage)
        {
            var clock = Stopwatch.StartNew();
            var (inputs, samples) = PrefixSamples.Of(loader, prefix.Prefix);
            var decoding = clock.Elapsed.TotalSeconds / samples;
            Shapes = inputs.ToDictionary(input => input.Key, IReadOnlyList<long> (input) => input.Value.shape, StringComparer.Ordinal);
            var rows = inputs.Values.First().shape[0];
            RowsPerSample = (int)(rows / samples);
            _ = prefix.Engine.Run(inputs);
            clock.Restart();
            var outputs = prefix.Engine.Run(inputs);
            // Threads decode while the engine computes: the slower of the two counts.
            RowSeconds = Math.Max(clock.Elapsed.TotalSeconds / rows, decoding / RowsPerSample / loader.Options.Workers);
            Problem = outputs.Where(output => output.Value.shape.FirstOrDefault(-1) != rows || output.Value.dtype != torch.float32)
                .Select(output => $"the prefix puts out \"{output.Key}\" as {output.Value.dtype} [{string.Join(", ", output.Value.shape)}] for {rows} rows; one float32 record a row can be stored")
                .FirstOrDefault();
            Schema = Problem is not null ? null! : new FeatureSchema(
                [.. outputs.OrderBy(output => output.Key, StringComparer.Ordinal).Select(output => new TensorInfo(output.Key, storage, output.Value.shape[1..]))]);
        }

        public string? Problem { get; }

        public IReadOnlyDictionary<string, IReadOnlyList<long>> Shapes { get; }

        public FeatureSchema Schema { get; }

        public int RowsPerSample { get; }

        public double RowSeconds { get; }
    }
}
