using System.Buffers.Binary;

namespace Frostline.Checkpoints;

/// <summary>
/// The numbers of a repeated protobuf field where they lie in a file: packed (one stretch of bytes), unpacked (each behind its tag), or
/// both by turns. Numbers of variable length have no place that could be computed, so the position of every 4,096th is kept.
/// </summary>
internal sealed class ProtobufValues(ByteSource bytes, WireType wire)
{
    /// <summary>The most numbers that <see cref="Read"/> gives at once.</summary>
    public const int PieceValues = 4096;

    /// <summary>The most pieces: only a file that was made to waste memory has so many.</summary>
    public const int MostPieces = 1_000_000;

    private const int LongestVarint = 10;
    private const int ScannedBytes = 1 << 16;

    private readonly List<Piece> _pieces = [];
    private int _stretches;

    /// <summary>How many numbers there are.</summary>
    public long Count { get; private set; }

    /// <summary>How many pieces are kept.</summary>
    public int PieceCount => _pieces.Count;

    /// <summary>Where the numbers begin, if they are all of fixed size and lie side by side; else null.</summary>
    public long? Start =>
        wire != WireType.Varint && _stretches == 1 && _pieces is [{ IsPacked: true } first, ..] ? first.Range.Start : null;

    private int Size => wire == WireType.Fixed32 ? 4 : 8;

    /// <summary>Adds the reader's current field, whichever way its numbers are laid out.</summary>
    /// <exception cref="CheckpointException">It is damaged, of another kind, or makes too many pieces.</exception>
    public void Add(ref ProtobufReader reader, ByteLease lease)
    {
        if (reader.Wire == WireType.Length)
        {
            var range = reader.ReadRange();
            if (range.Length == 0) return;
            _stretches++;
            if (wire == WireType.Varint) AddPackedVarints(lease, range);
            else AddPackedFixed(range);
            return;
        }

        if (reader.Wire != wire)
            throw bytes.Error($"is damaged: the field {reader.Field} at byte {reader.FieldStart} is of the wrong kind");
        reader.Skip();
        AddUnpacked(new ByteRange(reader.FieldStart, reader.Position));
    }

    /// <summary>Reads some numbers: at the most one piece of them, so ask again for the rest.</summary>
    /// <param name="first">The first number's index, less than <see cref="Count"/>.</param>
    /// <param name="values">Takes them as raw bits.</param>
    /// <returns>How many were read, at least one.</returns>
    public int Read(long first, Span<ulong> values)
    {
        var piece = _pieces[FindPiece(first)];
        using var lease = bytes.Lease();
        // A piece is at most 4,096 numbers of ten bytes behind tags of ten.
        var data = lease.Slice(piece.Range.Start, (int)piece.Range.Length);
        var (at, count) = (0, 0);
        for (var index = piece.First; at < data.Length && count < values.Length; index++)
        {
            if (!piece.IsPacked) ReadVarint(data, ref at);
            var value = ReadNumber(data, ref at);
            if (index >= first) values[count++] = value;
        }

        return count;
    }

    private void AddPackedFixed(ByteRange range)
    {
        if (range.Length % Size != 0)
            throw bytes.Error($"is damaged: {range.Length} bytes of packed numbers at byte {range.Start} are no multiple of {Size}");
        for (var start = range.Start; start < range.End;)
        {
            var end = Math.Min(range.End, start + (PieceValues * Size));
            AddPiece(new ByteRange(start, end), (int)((end - start) / Size), isPacked: true);
            start = end;
        }
    }

    private void AddPackedVarints(ByteLease lease, ByteRange range)
    {
        var (pieceStart, count, length) = (range.Start, 0, 0);
        for (var at = range.Start; at < range.End;)
        {
            var part = lease.Slice(at, (int)Math.Min(ScannedBytes, range.End - at));
            for (var i = 0; i < part.Length; i++)
            {
                if (++length > LongestVarint) throw bytes.Error($"is damaged: the number before byte {at + i} does not end");
                if (part[i] >= 0x80) continue;
                length = 0;
                if (++count < PieceValues) continue;
                AddPiece(new ByteRange(pieceStart, at + i + 1), count, isPacked: true);
                (pieceStart, count) = (at + i + 1, 0);
            }

            at += part.Length;
        }

        if (length > 0) throw bytes.Error($"is damaged: the packed numbers at byte {range.Start} do not end with a whole one");
        if (count > 0) AddPiece(new ByteRange(pieceStart, range.End), count, isPacked: true);
    }

    private void AddUnpacked(ByteRange record)
    {
        // Records that follow each other make one piece.
        if (_pieces is [.., { IsPacked: false } last] && last.Range.End == record.Start && Count - last.First < PieceValues)
        {
            _pieces[^1] = last with { Range = last.Range with { End = record.End } };
            Count++;
            return;
        }

        _stretches++;
        AddPiece(record, 1, isPacked: false);
    }

    private void AddPiece(ByteRange range, int count, bool isPacked)
    {
        if (_pieces.Count == MostPieces) throw bytes.Error($"has numbers in more than {MostPieces} places, the limit");
        _pieces.Add(new Piece(Count, range, isPacked));
        Count += count;
    }

    private int FindPiece(long index)
    {
        var (low, high) = (0, _pieces.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (_pieces[middle].First <= index) low = middle;
            else high = middle - 1;
        }

        return low;
    }

    private ulong ReadNumber(ReadOnlySpan<byte> data, ref int at)
    {
        if (wire == WireType.Varint) return ReadVarint(data, ref at);
        at += Size;
        return Size == 4
            ? BinaryPrimitives.ReadUInt32LittleEndian(data.Slice(at - 4, 4))
            : BinaryPrimitives.ReadUInt64LittleEndian(data.Slice(at - 8, 8));
    }

    // That each number ends within the piece was checked when it was added.
    private static ulong ReadVarint(ReadOnlySpan<byte> data, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var part = data[at++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80) return value;
        }
    }

    /// <param name="First">The index of its first number.</param>
    /// <param name="Range">Where it lies, tags included.</param>
    /// <param name="IsPacked">Whether there are no tags before the numbers.</param>
    private readonly record struct Piece(long First, ByteRange Range, bool IsPacked);
}
