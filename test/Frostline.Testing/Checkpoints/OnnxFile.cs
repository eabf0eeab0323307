using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Frostline.Checkpoints;

namespace Frostline.Testing.Checkpoints;

/// <summary>Writes protobuf messages field by field, good ones and bad ones.</summary>
public sealed class Proto
{
    private readonly List<byte> _bytes = [];

    /// <summary>The bytes of a message.</summary>
    public static byte[] Bytes(Action<Proto> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        var proto = new Proto();
        write(proto);
        return [.. proto._bytes];
    }

    /// <summary>Bytes as they are.</summary>
    public Proto Raw(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>A number of variable length, without a tag.</summary>
    public Proto Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) _bytes.Add((byte)(value | 0x80));
        _bytes.Add((byte)value);
        return this;
    }

    /// <summary>A tag.</summary>
    public Proto Tag(int field, int wire) => Varint(((ulong)field << 3) | (uint)wire);

    /// <summary>A field that is a number.</summary>
    public Proto Number(int field, long value) => Tag(field, 0).Varint((ulong)value);

    /// <summary>A field of bytes.</summary>
    public Proto Data(int field, params ReadOnlySpan<byte> bytes) => Tag(field, 2).Varint((ulong)bytes.Length).Raw(bytes);

    /// <summary>A field that is a text.</summary>
    public Proto Text(int field, string text) => Data(field, Encoding.UTF8.GetBytes(text));

    /// <summary>A field that is a message.</summary>
    public Proto Message(int field, Action<Proto> write) => Data(field, Bytes(write));
}

/// <summary>How a tensor's elements are kept.</summary>
public enum OnnxLayout
{
    /// <summary>In raw_data.</summary>
    Raw,

    /// <summary>In the typed field of their type, packed.</summary>
    Packed,

    /// <summary>In that field, each element behind a tag.</summary>
    Unpacked,

    /// <summary>In that field, packed and unpacked by turns.</summary>
    Mixed,
}

/// <summary>Lays ONNX models out as the exporters do, and as they do not.</summary>
public static class OnnxFile
{
    /// <summary>A model of a graph.</summary>
    public static byte[] FromGraph(Action<Proto> graph) => Proto.Bytes(model => model
        .Number(1, 8).Text(2, "frostline").Text(3, "1.0")
        .Message(7, g => graph(g.Text(2, "graph")))
        .Message(8, set => set.Text(1, "").Number(2, 17)));

    /// <summary>A model that has only initialisers.</summary>
    public static byte[] Model(params IEnumerable<Action<Proto>> initializers) => FromGraph(graph =>
    {
        foreach (var initializer in initializers) graph.Message(5, initializer);
    });

    /// <summary>A TensorProto.</summary>
    public static Action<Proto> Tensor(TensorInfo info, byte[] bytes, OnnxLayout layout = OnnxLayout.Raw) => proto =>
    {
        Head(proto, info);
        if (layout == OnnxLayout.Raw) proto.Text(8, info.Name).Data(9, bytes);
        else Typed(proto, info, bytes, layout).Text(8, info.Name);
    };

    /// <summary>A TensorProto whose data lie in another file.</summary>
    public static Action<Proto> External(TensorInfo info, params (string Key, string Value)[] entries) => proto =>
    {
        Head(proto, info).Text(8, info.Name);
        foreach (var (key, value) in entries) proto.Message(13, entry => entry.Text(1, key).Text(2, value));
        proto.Number(14, 1);
    };

    /// <summary>As most exporters write it.</summary>
    public static Action<Proto> External(TensorInfo info, string location, long offset) => External(
        info,
        ("location", location),
        ("offset", offset.ToString(CultureInfo.InvariantCulture)),
        ("length", info.ByteCount.ToString(CultureInfo.InvariantCulture)));

    /// <summary>A NodeProto without attributes of other kinds.</summary>
    public static Action<Proto> Node(string type, string output, params (string Name, int Field, Action<Proto> Value)[] attributes) => proto =>
    {
        proto.Text(2, output).Text(2, output + "_second").Text(3, "node").Text(4, type);
        foreach (var (name, field, value) in attributes)
            proto.Message(5, attribute => attribute.Text(1, name).Message(field, value).Number(20, 4));
    };

    /// <summary>The number of a type in TensorProto.DataType.</summary>
    public static int NumberOf(TensorType type) => type switch
    {
        TensorType.Float32 => 1,
        TensorType.UInt8 => 2,
        TensorType.Int8 => 3,
        TensorType.UInt16 => 4,
        TensorType.Int16 => 5,
        TensorType.Int32 => 6,
        TensorType.Int64 => 7,
        TensorType.Bool => 9,
        TensorType.Float16 => 10,
        TensorType.Float64 => 11,
        TensorType.UInt32 => 12,
        TensorType.UInt64 => 13,
        TensorType.BFloat16 => 16,
        TensorType.Float8E4M3 => 17,
        _ => 19,
    };

    private static Proto Head(Proto proto, TensorInfo info)
    {
        foreach (var size in info.Shape) proto.Number(1, size);
        return proto.Number(2, NumberOf(info.Type));
    }

    private static Proto Typed(Proto proto, TensorInfo info, byte[] bytes, OnnxLayout layout)
    {
        var size = info.Type.Size();
        var (field, wire) = info.Type switch
        {
            TensorType.Float32 => (4, 5),
            TensorType.Float64 => (10, 1),
            TensorType.Int64 => (7, 0),
            TensorType.UInt32 or TensorType.UInt64 => (11, 0),
            _ => (5, 0),
        };
        var elements = bytes.Chunk(size).Select(element => Proto.Bytes(p => Element(p, info.Type, element, wire))).ToArray();
        if (layout == OnnxLayout.Packed) return proto.Data(field, [.. elements.SelectMany(element => element)]);
        for (var i = 0; i < elements.Length; i++)
        {
            // Runs of both kinds, of one to three elements.
            if (layout == OnnxLayout.Unpacked || i % 7 is 0 or 3 or 4) proto.Tag(field, wire).Raw(elements[i]);
            else if (i % 7 == 5 && i + 1 < elements.Length) proto.Data(field, [.. elements[i], .. elements[++i]]);
            else proto.Data(field, elements[i]);
        }

        return proto;
    }

    private static void Element(Proto proto, TensorType type, byte[] element, int wire)
    {
        if (wire != 0)
        {
            proto.Raw(element);
            return;
        }

        Span<byte> wide = stackalloc byte[8];
        wide.Clear();
        element.CopyTo(wide);
        var bits = BinaryPrimitives.ReadUInt64LittleEndian(wide);
        proto.Varint(type switch
        {
            TensorType.Int32 => (ulong)(int)bits,
            TensorType.Int16 => (ulong)(short)bits,
            TensorType.Int8 => (ulong)(sbyte)bits,
            _ => bits,
        });
    }
}
