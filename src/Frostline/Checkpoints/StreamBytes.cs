namespace Frostline.Checkpoints;

/// <summary>
/// A checkpoint's bytes in a seekable stream, from the position that it had to its end. Reads are serialised, and small ones
/// that follow each other are served from a window.
/// </summary>
internal sealed class StreamBytes : ByteSource
{
    // Below the size from which arrays live in the large object heap.
    private const int Window = 1 << 16;

    private readonly Stream _stream;
    private readonly long _origin;
    private readonly bool _leaveOpen;
    private readonly Lock _lock = new();
    private byte[] _window = [];
    private long _windowStart;

    private StreamBytes(string name, Stream stream, long origin, bool leaveOpen)
        : base(name, stream.Length - origin) => (_stream, _origin, _leaveOpen) = (stream, origin, leaveOpen);

    /// <exception cref="CheckpointException">The stream cannot seek, or stands at its end.</exception>
    public static StreamBytes Open(Stream stream, string name, bool leaveOpen)
    {
        if (!stream.CanSeek)
            throw new CheckpointException($"{name}: the stream cannot seek, and tensors are read where they lie; copy it into a file or a MemoryStream first");
        var origin = stream.Position;
        if (origin >= stream.Length && stream.Length > 0)
            throw new CheckpointException($"{name}: the stream stands at its end; set its position to where the checkpoint begins");
        return new StreamBytes(name, stream, origin, leaveOpen);
    }

    public override ByteLease Lease() => new(this);

    /// <summary>A part of the file, in memory of its own that nobody writes to again.</summary>
    /// <exception cref="CheckpointException">The stream ends sooner than its length said.</exception>
    public ReadOnlySpan<byte> Slice(long offset, int count)
    {
        lock (_lock)
        {
            if (count > Window) return Fill(offset, count);
            if (offset < _windowStart || offset + count > _windowStart + _window.Length)
            {
                _window = Fill(offset, (int)Math.Min(Window, Length - offset));
                _windowStart = offset;
            }

            return _window.AsSpan((int)(offset - _windowStart), count);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_leaveOpen) _stream.Dispose();
    }

    private byte[] Fill(long offset, int count)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(count);
        try
        {
            _stream.Position = _origin + offset;
            _stream.ReadExactly(bytes);
        }
        catch (IOException e)
        {
            // EndOfStreamException is one of these.
            throw Error($"{count} bytes at byte {offset} cannot be read from the stream ({e.Message})", e);
        }

        return bytes;
    }
}
