namespace Frostline.Checkpoints;

/// <summary>Reads a tensor's elements part by part, as they lie in a checkpoint and as float64.</summary>
internal sealed class ElementReader(Checkpoint checkpoint, TensorInfo tensor)
{
    /// <summary>The most elements of a part.</summary>
    public const int Part = 8192;

    private readonly byte[] _bytes = new byte[(int)Math.Min(Part, tensor.ElementCount) * tensor.Type.Size()];
    private readonly double[] _values = new double[(int)Math.Min(Part, tensor.ElementCount)];
    private long _next;
    private int _count;

    /// <summary>The part's bytes, little-endian.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _count * tensor.Type.Size());

    /// <summary>The part's values.</summary>
    public ReadOnlySpan<double> Values => _values.AsSpan(0, _count);

    /// <summary>Reads the next part; false at the end. Parts of tensors with equally many elements have equal lengths.</summary>
    public bool Next()
    {
        _count = (int)Math.Min(Part, tensor.ElementCount - _next);
        if (_count == 0) return false;
        var bytes = _bytes.AsSpan(0, _count * tensor.Type.Size());
        checkpoint.Read(tensor, _next * tensor.Type.Size(), bytes);
        Elements.ToDouble(bytes, tensor.Type, _values.AsSpan(0, _count));
        _next += _count;
        return true;
    }
}
