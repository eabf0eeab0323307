using System.Buffers.Binary;
using System.Text;

namespace Frostline.Staging;

/// <summary>Writes a message in the wire format of Protocol Buffers, as much of it as ONNX needs: varints, texts, bytes and messages.</summary>
internal sealed class ProtobufWriter
{
    private readonly MemoryStream _bytes = new();

    internal void Number(int field, long value)
    {
        if (value == 0) return;
        Key(field, 0);
        Varint(unchecked((ulong)value));
    }

    /// <summary>A number that is written even where it is 0, as an attribute's has to be.</summary>
    internal void Required(int field, long value)
    {
        Key(field, 0);
        Varint(unchecked((ulong)value));
    }

    internal void Single(int field, float value)
    {
        Key(field, 5);
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        _bytes.Write(bytes);
    }

    internal void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    internal void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Key(field, 2);
        Varint((ulong)value.Length);
        _bytes.Write(value);
    }

    internal void Message(int field, ProtobufWriter message) => Bytes(field, message._bytes.GetBuffer().AsSpan(0, (int)message._bytes.Length));

    internal void Message(int field, Action<ProtobufWriter> write)
    {
        var message = new ProtobufWriter();
        write(message);
        Message(field, message);
    }

    internal void Numbers(int field, IReadOnlyList<long> values)
    {
        foreach (var value in values) Required(field, value);
    }

    /// <summary>Bytes whose content is written straight into the message.</summary>
    /// <param name="field">The field.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="write">Writes exactly so many.</param>
    internal void Bytes(int field, long length, Action<Stream> write)
    {
        Key(field, 2);
        Varint((ulong)length);
        var end = _bytes.Length + length;
        write(_bytes);
        if (_bytes.Length != end) throw new InvalidOperationException($"{_bytes.Length - end} bytes more than announced");
    }

    /// <summary>The fields of another message, behind those of this one.</summary>
    internal void Append(ProtobufWriter other) => other._bytes.WriteTo(_bytes);

    internal byte[] ToArray() => _bytes.ToArray();

    private void Key(int field, int type) => Varint(((ulong)field << 3) | (uint)type);

    private void Varint(ulong value)
    {
        while (value >= 0x80)
        {
            _bytes.WriteByte((byte)(value | 0x80));
            value >>= 7;
        }

        _bytes.WriteByte((byte)value);
    }
}
