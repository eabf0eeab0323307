using Frostline.Checkpoints;
using Frostline.Staging;
using Frostline.Training.Data;

namespace Frostline.Training.Features;

/// <summary>
/// What a frozen prefix makes of the samples of one data set, kept in a <see cref="FeatureStore"/>. A loader's threads ask it whether a sample
/// has to be decoded at all (<see cref="Read"/>, <see cref="Gather"/>); the training thread has missing features computed and stored
/// (<see cref="FeatureCompletion"/>).
/// </summary>
/// <remarks>
/// A sample's content is read and hashed once, when it is first visited, and what is not an input (labels) is kept in memory from then on. So
/// a visit whose features are stored touches neither the sample's file nor its decoder.
/// </remarks>
internal sealed class FeatureCache
{
    // Beyond this the fields besides the inputs are made anew for every visit.
    private const long MostTargetBytes = 1L << 30;

    private readonly IDataset _dataset;
    private readonly IReadOnlyList<string> _inputs;
    private readonly string _transform;
    private readonly Known?[] _known;
    private long _targetBytes;

    /// <summary>Creates a cache; nothing is read yet.</summary>
    /// <param name="dataset">The data set; its samples can be opened.</param>
    /// <param name="inputs">The fields that the prefix reads.</param>
    /// <param name="transform">The transforms with all their options, as a text.</param>
    /// <param name="variants">Which versions of a sample there are.</param>
    /// <param name="store">Where the features are; it stays the caller's.</param>
    public FeatureCache(IDataset dataset, IReadOnlyList<string> inputs, string transform, FeatureVariants variants, FeatureStore store)
    {
        (_dataset, _inputs, _transform, Variants, Store) = (dataset, inputs, transform, variants, store);
        _known = new Known?[checked(dataset.Count * variants.Count)];
    }

    /// <summary>Which versions of a sample there are.</summary>
    public FeatureVariants Variants { get; }

    /// <summary>Where the features are.</summary>
    public FeatureStore Store { get; }

    /// <summary>Reads a sample, decoded only where a row of it is not stored. Called on a loader's threads.</summary>
    /// <param name="index">The sample.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="again">How often the epoch has visited it before.</param>
    /// <exception cref="UnreadableSampleException">The sample has to be read and cannot be.</exception>
    public DecodedSample Read(int index, int epoch, int again)
    {
        var number = Variants.NumberOf(epoch, index, again);
        ref var place = ref _known[(index * Variants.Count) + number];
        if (Volatile.Read(ref place) is { Targets: { } targets } known && AreStored(known.Keys))
            return new DecodedSample(index, _dataset.SourceOf(index), targets) { Keys = known.Keys, Variant = number };
        var content = Content(index);
        var keys = new FeatureKey[content.Rows.Count];
        for (var row = 0; row < keys.Length; row++) keys[row] = Variants.KeyOf(content.Rows[row], _transform, index, number, row);
        var partial = Variants.TakesPartialSamples && AreStored(keys) ? content.Partial() : null;
        var sample = partial ?? content.Decode();
        Variants.Apply(sample, index, number);
        var decoded = Split(index, sample) with { Keys = keys, Variant = number };
        if (partial is not null) decoded = decoded with { Inputs = null };
        Volatile.Write(ref place, new Known(keys, Remembered(decoded.Fields)));
        return decoded;
    }

    /// <summary>Takes the rows of a batch from the store. Called on a loader's threads.</summary>
    /// <param name="samples">The batch's samples, as <see cref="Read"/> gave them.</param>
    /// <param name="reserve">Where arrays come from.</param>
    /// <exception cref="FrostlineException">Samples do not fit together, or the batch is too large for one array.</exception>
    public HostFeatures Gather(IReadOnlyList<DecodedSample> samples, ArrayReserve reserve)
    {
        FeatureKey[] keys = [.. samples.SelectMany(sample => sample.Keys!)];
        var values = new byte[Store.Schema.Tensors.Count][];
        for (var i = 0; i < values.Length; i++) values[i] = (byte[])reserve.Take(TensorType.UInt8, BytesOf(i, keys.Length));
        var found = new bool[keys.Length];
        var stored = Store.ReadBatch(keys, [.. values.Select(buffer => buffer.AsMemory())], found);
        if (stored == keys.Length) return new HostFeatures(this, keys, values, [], [], null);

        var (missing, repeats, inputs) = (new List<int>(), new List<(int Row, int From)>(), new List<DecodedSample>());
        var first = new Dictionary<FeatureKey, int>();
        var row = 0;
        foreach (var sample in samples)
        {
            for (var own = 0; own < sample.Keys!.Length; own++, row++)
            {
                if (found[row]) continue;
                if (!first.TryAdd(keys[row], row))
                {
                    repeats.Add((row, first[keys[row]]));
                    continue;
                }

                missing.Add(row);
                inputs.Add(InputsOf(sample, own));
            }
        }

        return new HostFeatures(this, keys, values, missing, repeats, Collation.Collate(inputs, reserve));
    }

    /// <summary>Has the features of coming visits read into the system's cache, as far as they are known.</summary>
    /// <param name="visits">The samples, and how often the epoch has visited them before.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    public void Prefetch(IEnumerable<(int Index, int Again)> visits, int epoch)
    {
        var keys = new List<FeatureKey>();
        foreach (var (index, again) in visits)
            if (Volatile.Read(ref _known[(index * Variants.Count) + Variants.NumberOf(epoch, index, again)]) is { } known) keys.AddRange(known.Keys);
        Store.Prefetch([.. keys]);
    }

    private SampleContent Content(int index) => _dataset.Open(index)
        ?? throw new FrostlineException($"{_dataset.SourceOf(index)}: the data set cannot tell its content from others; write cache: off");

    private bool AreStored(FeatureKey[] keys)
    {
        foreach (var key in keys)
            if (!Store.Contains(key)) return false;
        return true;
    }

    private int BytesOf(int tensor, int rows)
    {
        var bytes = Store.Schema.Tensors[tensor].ByteCount * rows;
        if (bytes <= Array.MaxLength) return (int)bytes;
        throw new FrostlineException($"the features of a batch of {rows} rows have {bytes} bytes, too many for one array; lower the batch size");
    }

    private DecodedSample Split(int index, Sample sample)
    {
        var fields = sample.Fields.OrderBy(field => field.Key, StringComparer.Ordinal)
            .Select(field => KeyValuePair.Create(field.Key, field.Value.ToTensor())).ToLookup(field => _inputs.Contains(field.Key));
        return new DecodedSample(index, sample.Source, [.. fields[false]]) { Inputs = [.. fields[true]] };
    }

    private KeyValuePair<string, SampleTensor>[]? Remembered(IReadOnlyList<KeyValuePair<string, SampleTensor>> targets)
    {
        var bytes = targets.Sum(target => Buffer.ByteLength(target.Value.Values));
        if (Interlocked.Add(ref _targetBytes, bytes) <= MostTargetBytes) return [.. targets];
        Interlocked.Add(ref _targetBytes, -bytes);
        return null;
    }

    /// <summary>One row of a sample's inputs. A sample whose record turned out to be damaged is decoded now.</summary>
    private DecodedSample InputsOf(DecodedSample sample, int row)
    {
        var inputs = sample.Inputs;
        if (inputs is null)
        {
            var whole = Content(sample.Index).Decode();
            Variants.Apply(whole, sample.Index, sample.Variant);
            inputs = Split(sample.Index, whole).Inputs!;
        }

        return new DecodedSample(sample.Index, sample.Source, [.. inputs.Select(input => KeyValuePair.Create(input.Key, RowOf(sample, input.Key, input.Value, row)))]);
    }

    private static SampleTensor RowOf(DecodedSample sample, string name, SampleTensor tensor, int row)
    {
        var rows = tensor.IsRows ? tensor.Shape[0] : 1;
        if (rows != sample.Keys!.Length)
            throw new FrostlineException($"{sample.Source}: \"{name}\" has {rows} rows, and the content of the sample has {sample.Keys.Length}");
        if (!tensor.IsRows) return tensor;
        var length = tensor.Values.Length / (int)rows;
        var values = Array.CreateInstance(tensor.Values.GetType().GetElementType()!, length);
        Array.Copy(tensor.Values, row * length, values, 0, length);
        return new SampleTensor(tensor.Type, [.. tensor.Shape.Skip(1)], values);
    }

    private sealed record Known(FeatureKey[] Keys, KeyValuePair<string, SampleTensor>[]? Targets);
}
