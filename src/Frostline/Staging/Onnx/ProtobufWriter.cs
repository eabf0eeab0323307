using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Staging;

/// <summary>Writes a message in the wire format of Protocol Buffers, as much of it as ONNX needs: varints, texts, bytes and messages.</summary>
internal sealed class ProtobufWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

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
        BinaryPrimitives.WriteSingleLittleEndian(_bytes.GetSpan(sizeof(float)), value);
        _bytes.Advance(sizeof(float));
    }

    internal void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    internal void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Key(field, 2);
        Varint((ulong)value.Length);
        _bytes.Write(value);
    }

    internal void Message(int field, ProtobufWriter message) => Bytes(field, message._bytes.WrittenSpan);

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

    /// <summary>The bytes of a tensor, row by row, written straight into the message.</summary>
    internal void Bytes(int field, torch.Tensor tensor)
    {
        var length = (int)TensorBytes.Count(tensor);
        Key(field, 2);
        Varint((ulong)length);
        TensorBytes.Read(tensor, _bytes.GetSpan(length)[..length]);
        _bytes.Advance(length);
    }

    /// <summary>The fields of another message, behind those of this one.</summary>
    internal void Append(ProtobufWriter other) => _bytes.Write(other._bytes.WrittenSpan);

    internal byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    private void Key(int field, int type) => Varint(((ulong)field << 3) | (uint)type);

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) Byte((byte)(value | 0x80));
        Byte((byte)value);
    }

    private void Byte(byte value)
    {
        _bytes.GetSpan(1)[0] = value;
        _bytes.Advance(1);
    }
}
