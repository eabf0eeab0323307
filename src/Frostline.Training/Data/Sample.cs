using Frostline.Checkpoints;

namespace Frostline.Training.Data;

/// <summary>Values of one tensor in managed memory, as worker threads hand them over.</summary>
/// <param name="Type">
/// The type of the elements: <see cref="TensorType.Float32"/>, <see cref="TensorType.Int64"/> or <see cref="TensorType.UInt8"/>.
/// </param>
/// <param name="Shape">The shape of one sample, without a batch dimension; empty for a scalar.</param>
/// <param name="Values">A <c>float[]</c>, <c>long[]</c> or <c>byte[]</c>, row-major.</param>
public sealed record SampleTensor(TensorType Type, IReadOnlyList<long> Shape, Array Values)
{
    /// <summary>
    /// Whether the first axis counts rows that the network takes one by one, such as a key frame and its supports: [R, ...] of B samples become
    /// [B R, ...] in a batch, sample after sample, instead of [B, R, ...]. Default: false.
    /// </summary>
    public bool IsRows { get; init; }

    /// <summary>A float32 tensor.</summary>
    public static SampleTensor Of(float[] values, params long[] shape) => new(TensorType.Float32, shape, values);

    /// <summary>An int64 scalar, for example a class index.</summary>
    public static SampleTensor Of(long value) => new(TensorType.Int64, [], new[] { value });
}

/// <summary>
/// What a sample's field is before it becomes a tensor, for example a decoded image. Transforms change fields; the loader asks
/// for the tensor at the end, on the worker thread.
/// </summary>
public interface ISampleField
{
    /// <summary>The field's values as a tensor.</summary>
    SampleTensor ToTensor();
}

/// <summary>
/// One sample: named fields. By convention <c>image</c> is what a network of images reads, <c>label</c> its target.
/// </summary>
public sealed class Sample
{
    private readonly Dictionary<string, ISampleField> _fields = new(StringComparer.Ordinal);

    /// <summary>Where the sample comes from (a path, or a file and position), for messages and predictions.</summary>
    public required string Source { get; init; }

    /// <summary>
    /// Whether the fields that take decoding, which are the network's inputs, are left out. Transforms with
    /// <see cref="ITransform.TakesPartialSamples"/> change what is there. Default: false.
    /// </summary>
    public bool IsPartial { get; init; }

    /// <summary>The fields by name.</summary>
    public IReadOnlyDictionary<string, ISampleField> Fields => _fields;

    /// <summary>Sets a field, replacing the one of that name.</summary>
    public void Set(string name, ISampleField field) => _fields[name] = field;

    /// <summary>Sets a field that already is a tensor.</summary>
    public void Set(string name, SampleTensor tensor) => _fields[name] = new TensorField(tensor);

    private sealed class TensorField(SampleTensor tensor) : ISampleField
    {
        public SampleTensor ToTensor() => tensor;
    }
}
