using Frostline.Checkpoints;
using Frostline.Staging;

namespace Frostline.Training.Data;

/// <summary>One sample after its transforms, as a worker leaves it.</summary>
internal sealed record DecodedSample(int Index, string Source, IReadOnlyList<KeyValuePair<string, SampleTensor>> Fields)
{
    /// <summary>Where features are stored, the key of each row; else null, and the fields are all there are.</summary>
    public FeatureKey[]? Keys { get; init; }

    /// <summary>Where features are stored, which version of the sample it is.</summary>
    public int Variant { get; init; }

    /// <summary>Where features are stored, the fields that the frozen prefix reads; null for a sample that need not be decoded.</summary>
    public IReadOnlyList<KeyValuePair<string, SampleTensor>>? Inputs { get; init; }
}

/// <summary>Puts samples one behind the other.</summary>
internal static class Collation
{
    /// <summary>The samples' fields with a batch dimension in front.</summary>
    /// <exception cref="FrostlineException">Two samples differ in the names, types or shapes of their fields.</exception>
    public static Dictionary<string, SampleTensor> Collate(IReadOnlyList<DecodedSample> samples, ArrayReserve reserve)
    {
        var first = samples[0];
        var batch = new Dictionary<string, SampleTensor>(first.Fields.Count, StringComparer.Ordinal);
        for (var f = 0; f < first.Fields.Count; f++)
        {
            var (name, model) = first.Fields[f];
            var length = LengthOf(first, name, model);
            foreach (var sample in samples) Check(first, sample, f);
            if (length * samples.Count > Array.MaxLength)
                throw new FrostlineException(
                    $"a batch of {samples.Count} samples with {length} values in field \"{name}\" is too large for one array; "
                    + "lower the batch size");
            var values = reserve.Take(model.Type, (int)(length * samples.Count));
            for (var i = 0; i < samples.Count; i++)
                Array.Copy(samples[i].Fields[f].Value.Values, 0, values, (int)length * i, (int)length);
            long[] shape = model.IsRows ? [samples.Count * model.Shape[0], .. model.Shape.Skip(1)] : [samples.Count, .. model.Shape];
            batch.Add(name, new SampleTensor(model.Type, shape, values) { IsRows = model.IsRows });
        }

        return batch;
    }

    private static void Check(DecodedSample first, DecodedSample sample, int field)
    {
        var (name, model) = first.Fields[field];
        if (sample.Fields.Count != first.Fields.Count || sample.Fields[field].Key != name)
        {
            throw new FrostlineException(
                $"{first.Source} and {sample.Source} cannot form a batch: one has the fields {Names(first)}, the other "
                + $"{Names(sample)}");
        }

        var tensor = sample.Fields[field].Value;
        if (tensor.Type == model.Type && tensor.IsRows == model.IsRows && tensor.Shape.SequenceEqual(model.Shape))
        {
            _ = LengthOf(sample, name, tensor);
            return;
        }

        var advice = tensor.Shape.Count > 1
            ? "; let the transforms end in one size, for example with resize and center-crop"
            : "";
        throw new FrostlineException(
            $"{first.Source} and {sample.Source} cannot form a batch: field \"{name}\" is {Describe(model)} in one and "
            + $"{Describe(tensor)} in the other{advice}");
    }

    private static long LengthOf(DecodedSample sample, string name, SampleTensor tensor)
    {
        var length = tensor.Shape.Aggregate(1L, (product, size) => product * size);
        var fits = (tensor.Type, tensor.Values) is (TensorType.Float32, float[]) or (TensorType.Int64, long[])
            or (TensorType.UInt8, byte[]);
        if (!fits || tensor.Values.Length != length)
        {
            throw new FrostlineException(
                $"{sample.Source}: field \"{name}\" claims {Describe(tensor)} but holds {tensor.Values.Length} values of "
                + $"{tensor.Values.GetType().GetElementType()?.Name}");
        }

        return length;
    }

    private static string Names(DecodedSample sample) => string.Join(", ", sample.Fields.Select(f => f.Key));

    private static string Describe(SampleTensor tensor) => $"{tensor.Type} [{string.Join(", ", tensor.Shape)}]";
}

/// <summary>
/// Arrays that batches gave back. Batches are large and alike, so fresh arrays would cost page faults and full collections; a
/// pool that rounds lengths up would break the promise that an array is exactly as long as its shape says.
/// </summary>
internal sealed class ArrayReserve(int most)
{
    private readonly Lock _lock = new();
    private readonly List<Array> _free = [];

    public Array Take(TensorType type, int length)
    {
        lock (_lock)
        {
            for (var i = 0; i < _free.Count; i++)
            {
                var candidate = _free[i];
                if (candidate.Length != length || TypeOf(candidate) != type) continue;
                _free.RemoveAt(i);
                return candidate;
            }
        }

        return type switch
        {
            TensorType.Float32 => GC.AllocateUninitializedArray<float>(length),
            TensorType.Int64 => GC.AllocateUninitializedArray<long>(length),
            _ => GC.AllocateUninitializedArray<byte>(length),
        };
    }

    public void Give(Array array)
    {
        lock (_lock)
        {
            // The oldest go first: they belong to shapes that are not asked for any more.
            if (_free.Count >= most) _free.RemoveAt(0);
            _free.Add(array);
        }
    }

    private static TensorType TypeOf(Array array) => array switch
    {
        float[] => TensorType.Float32,
        long[] => TensorType.Int64,
        _ => TensorType.UInt8,
    };
}
