namespace Frostline.Checkpoints;

/// <summary>A write-only stream that takes exactly the bytes of one tensor.</summary>
internal sealed class ExactStream : Stream
{
    private readonly TensorInfo _tensor;
    private readonly SpanAction _write;
    private readonly long _length;
    private long _position;

    public ExactStream(TensorInfo tensor, SpanAction write)
    {
        _tensor = tensor;
        _write = write;
        _length = tensor.ByteCount;
    }

    /// <summary>Takes some bytes and the position of the first within the tensor.</summary>
    public delegate void SpanAction(ReadOnlySpan<byte> bytes, long position);

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.Length > _length - _position)
            throw new CheckpointException($"\"{_tensor.Name}\" writes more than its {_length} bytes ({_tensor.Type} {_tensor.ShapeText})");
        _write(buffer, _position);
        _position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <exception cref="CheckpointException">Fewer bytes were written than the tensor has.</exception>
    public void RequireEnd()
    {
        if (_position != _length)
            throw new CheckpointException($"\"{_tensor.Name}\" wrote {_position} of its {_length} bytes ({_tensor.Type} {_tensor.ShapeText})");
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
