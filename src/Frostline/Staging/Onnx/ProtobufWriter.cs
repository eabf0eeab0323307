using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Staging;

/// <summary>
/// Writes a message in the wire format of Protocol Buffers, as much of it as ONNX needs: varints, texts, bytes and messages. The bytes of tensors
/// are read at the end, once, so that a model takes no more memory than its bytes, however messages are nested.
/// </summary>
internal sealed class ProtobufWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>The tensors that belong between the bytes, each with how many of these lie before it.</summary>
    private readonly List<(int Position, torch.Tensor Tensor)> _tensors = [];

    private long _tensorBytes;

    /// <summary>How long the message is, in bytes.</summary>
    internal long Length => _bytes.WrittenCount + _tensorBytes;

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

    internal void Message(int field, ProtobufWriter message)
    {
        Key(field, 2);
        Varint((ulong)message.Length);
        Append(message);
    }

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

    /// <summary>The bytes of a tensor, row by row.</summary>
    /// <param name="field">The field's number.</param>
    /// <param name="tensor">The tensor; it has to live, unchanged, until <see cref="ToArray"/>.</param>
    internal void Bytes(int field, torch.Tensor tensor)
    {
        Key(field, 2);
        Varint((ulong)TensorBytes.Count(tensor));
        Add(tensor, _bytes.WrittenCount);
    }

    /// <summary>The fields of another message, behind those of this one.</summary>
    internal void Append(ProtobufWriter other)
    {
        var before = _bytes.WrittenCount;
        foreach (var (position, tensor) in other._tensors) Add(tensor, before + position);
        _bytes.Write(other._bytes.WrittenSpan);
    }

    /// <summary>The message.</summary>
    internal byte[] ToArray()
    {
        var message = GC.AllocateUninitializedArray<byte>(checked((int)Length));
        var (written, read) = (0, 0);
        foreach (var (position, tensor) in _tensors)
        {
            CopyBytes(position);
            var length = (int)TensorBytes.Count(tensor);
            TensorBytes.Read(tensor, message.AsSpan(written, length));
            written += length;
        }

        CopyBytes(_bytes.WrittenCount);
        return message;

        void CopyBytes(int end)
        {
            _bytes.WrittenSpan[read..end].CopyTo(message.AsSpan(written));
            (written, read) = (written + end - read, end);
        }
    }

    private void Add(torch.Tensor tensor, int position)
    {
        _tensors.Add((position, tensor));
        _tensorBytes += TensorBytes.Count(tensor);
    }

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
