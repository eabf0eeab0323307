namespace Frostline.Checkpoints;

/// <summary>How a protobuf field's value is laid out, as its tag says.</summary>
internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

/// <summary>A stretch of a file.</summary>
internal readonly record struct ByteRange(long Start, long End)
{
    public long Length => End - Start;
}

/// <summary>
/// Walks the fields of one protobuf message where it lies in a file, and reads nothing else of it: tensors in it stay untouched until
/// somebody wants them. Google.Protobuf would not do: it reads whole messages into memory, the weights among them, and allocates what the
/// file claims. The encoding is described at https://protobuf.dev/programming-guides/encoding/; groups, which ONNX has none of, are
/// refused.
/// </summary>
/// <remarks>It does not own the lease. Every field that <see cref="Next"/> finds has to be read or skipped.</remarks>
internal ref struct ProtobufReader
{
    private const int LongestVarint = 10;

    private readonly ByteSource _bytes;
    private readonly ByteLease _lease;
    private readonly long _end;

    public ProtobufReader(ByteSource bytes, ByteLease lease, ByteRange message)
    {
        _bytes = bytes;
        _lease = lease;
        _end = message.End;
        Position = message.Start;
    }

    /// <summary>Where the next byte is read, from the start of the file.</summary>
    public long Position { get; private set; }

    /// <summary>Where the current field's tag begins.</summary>
    public long FieldStart { get; private set; }

    /// <summary>The current field's number.</summary>
    public int Field { get; private set; }

    /// <summary>The current field's layout.</summary>
    public WireType Wire { get; private set; }

    /// <summary>Whether bytes are left in the message.</summary>
    public readonly bool IsAtEnd => Position >= _end;

    /// <summary>Goes to the next field; false at the end of the message.</summary>
    /// <exception cref="CheckpointException">What follows is no field.</exception>
    public bool Next()
    {
        if (IsAtEnd) return false;
        FieldStart = Position;
        var tag = ReadVarint();
        Wire = (WireType)(tag & 7);
        if (tag >> 3 is 0 or > (1 << 29) - 1 || Wire is not (WireType.Varint or WireType.Fixed64 or WireType.Length or WireType.Fixed32))
            throw _bytes.Error($"is damaged: there is no field at byte {FieldStart}");
        Field = (int)(tag >> 3);
        return true;
    }

    /// <summary>Reads a number of up to 64 bits; what overflows is dropped, as protobuf demands.</summary>
    public ulong ReadVarint()
    {
        var bytes = _lease.Slice(Position, (int)Math.Min(LongestVarint, _end - Position));
        ulong value = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if (bytes[i] >= 0x80) continue;
            Position += i + 1;
            return value;
        }

        throw _bytes.Error($"is damaged or cut short: the number at byte {Position} does not end");
    }

    /// <summary>Reads the current field as a number.</summary>
    /// <exception cref="CheckpointException">It is none.</exception>
    public long ReadNumber()
    {
        Require(WireType.Varint);
        return (long)ReadVarint();
    }

    /// <summary>Goes past the current field, which holds a message, a text, bytes or packed numbers, and says where they are.</summary>
    /// <exception cref="CheckpointException">It does not, or it claims more bytes than its message has.</exception>
    public ByteRange ReadRange()
    {
        Require(WireType.Length);
        var length = ReadVarint();
        if (length > (ulong)(_end - Position))
        {
            throw _bytes.Error(
                $"is damaged or cut short: the field at byte {FieldStart} claims {length} bytes, but {_end - Position} are left; "
                + "copy or download it again");
        }

        var range = new ByteRange(Position, Position + (long)length);
        Position = range.End;
        return range;
    }

    /// <summary>As <see cref="ReadRange"/>, but what the message lacks of the claimed bytes is left out.</summary>
    public ByteRange ReadRangeOrRest()
    {
        Require(WireType.Length);
        var length = ReadVarint();
        var range = new ByteRange(Position, Position + (long)Math.Min(length, (ulong)(_end - Position)));
        Position = range.End;
        return range;
    }

    /// <summary>Goes past the current field.</summary>
    public void Skip()
    {
        switch (Wire)
        {
            case WireType.Varint: ReadVarint(); break;
            case WireType.Length: ReadRange(); break;
            default: SkipFixed(Wire == WireType.Fixed32 ? 4 : 8); break;
        }
    }

    private readonly void Require(WireType wire)
    {
        if (Wire != wire) throw _bytes.Error($"is damaged: the field {Field} at byte {FieldStart} is of the wrong kind");
    }

    private void SkipFixed(int size)
    {
        if (_end - Position < size) throw _bytes.Error($"is damaged or cut short: {size} bytes are missing at byte {Position}");
        Position += size;
    }
}
