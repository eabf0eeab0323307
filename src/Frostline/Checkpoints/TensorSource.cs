namespace Frostline.Checkpoints;

/// <summary>A tensor to be written: what it is, and how to get its bytes when their turn comes.</summary>
/// <param name="Info">Name, type and shape.</param>
/// <param name="Write">
/// Writes exactly <see cref="TensorInfo.ByteCount"/> bytes, row-major and little-endian, to the stream that it is given.
/// </param>
public sealed record TensorSource(TensorInfo Info, Action<Stream> Write)
{
    /// <summary>A tensor whose bytes are at hand.</summary>
    /// <param name="info">Name, type and shape.</param>
    /// <param name="bytes">Its elements, row-major and little-endian.</param>
    public static TensorSource From(TensorInfo info, ReadOnlyMemory<byte> bytes) => new(info, stream => stream.Write(bytes.Span));

    /// <summary>A tensor that is copied from a checkpoint, which has to stay open until it is written.</summary>
    /// <param name="checkpoint">Where it lies.</param>
    /// <param name="tensor">One of the checkpoint's tensors.</param>
    /// <param name="name">Its new name; null to keep the old one.</param>
    public static TensorSource From(Checkpoint checkpoint, TensorInfo tensor, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(tensor);
        return new(name is null ? tensor : tensor with { Name = name }, stream => checkpoint.CopyTo(tensor, stream));
    }
}
