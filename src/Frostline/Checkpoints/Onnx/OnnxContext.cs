using System.Text;

namespace Frostline.Checkpoints;

/// <summary>The file that is read, and how much of it may still be kept in memory.</summary>
internal sealed class OnnxContext(ByteSource bytes)
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private long _textBytes = CheckpointLimits.NameCharacters;
    private long _pieces = ProtobufValues.MostPieces;
    private long _values = CheckpointLimits.Values;

    public ByteSource Bytes => bytes;

    /// <summary>Reads a text, for example the content of a field.</summary>
    /// <exception cref="CheckpointException">It is not UTF-8, or all texts together exceed the limit.</exception>
    public string ReadText(ByteLease lease, ByteRange range)
    {
        if (range.Length > _textBytes)
            throw bytes.Error($"has names and texts of more than {CheckpointLimits.NameCharacters} characters together, the limit");
        _textBytes -= range.Length;
        try
        {
            return s_utf8.GetString(lease.Slice(range.Start, (int)range.Length));
        }
        catch (DecoderFallbackException e)
        {
            throw bytes.Error($"is damaged: the text at byte {range.Start} is not UTF-8", e);
        }
    }

    /// <summary>Reads a StringStringEntryProto.</summary>
    public (string Key, string Value) ReadEntry(ByteLease lease, ByteRange message)
    {
        var (key, value) = ("", "");
        var reader = new ProtobufReader(bytes, lease, message);
        while (reader.Next())
        {
            if (reader.Field == 1) key = ReadText(lease, reader.ReadRange());
            else if (reader.Field == 2) value = ReadText(lease, reader.ReadRange());
            else reader.Skip();
        }

        return (key, value);
    }

    /// <summary>Counts a tensor or value that is kept, and the pieces of its typed data.</summary>
    /// <exception cref="CheckpointException">There are more than the limit.</exception>
    public void Count(long pieces)
    {
        if (--_values < 0) throw bytes.Error($"shows more than {CheckpointLimits.Values} values, the limit");
        _pieces -= pieces;
        if (_pieces < 0) throw bytes.Error($"has numbers in more than {ProtobufValues.MostPieces} places, the limit");
    }
}
