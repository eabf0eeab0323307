using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Frostline.Testing.Checkpoints;

/// <summary>Writes pickles opcode by opcode, good ones and bad ones.</summary>
public sealed class Pickler
{
    private readonly List<byte> _bytes = [];

    public static byte[] Bytes(Action<Pickler> write)
    {
        var pickler = new Pickler().Op(0x80, 2);
        write(pickler);
        return pickler.Op((byte)'.')._bytes.ToArray();
    }

    public Pickler Op(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public Pickler Op(char opcode) => Op((byte)opcode);

    public Pickler Global(string module, string name) => Op('c').Op(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

    public Pickler Text(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        return Op('X').Op(BitConverter.GetBytes(utf8.Length)).Op(utf8);
    }

    public Pickler Integer(BigInteger value)
    {
        var bytes = value.ToByteArray();
        return Op(0x8a, (byte)bytes.Length).Op(bytes);
    }

    public Pickler Double(double value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        return Op('G').Op(bytes);
    }

    public Pickler Put(byte index) => Op((byte)'q', index);

    public Pickler Get(byte index) => Op((byte)'h', index);

    public Pickler Tuple(params object?[] items) => Sequence('(', items, 't');

    public Pickler List(params object?[] items) => Op(']').Sequence('(', items, 'e');

    public Pickler Dict(params (object? Key, object? Value)[] entries) => Op('}').Sequence('(', [.. entries.SelectMany(e => new[] { e.Key, e.Value })], 'u');

    /// <summary>A value, or an action that writes one.</summary>
    public Pickler Value(object? value)
    {
        switch (value)
        {
            case null: return Op('N');
            case bool flag: return Op(flag ? (byte)0x88 : (byte)0x89);
            case int number: return Integer(number);
            case long number: return Integer(number);
            case BigInteger number: return Integer(number);
            case double number: return Double(number);
            case string text: return Text(text);
            case long[] numbers: return Tuple([.. numbers.Cast<object>()]);
            case object[] items: return List(items);
            case Action<Pickler> write: write(this); return this;
            default: throw new ArgumentException($"cannot pickle {value.GetType()}", nameof(value));
        }
    }

    public Pickler Storage(string type, string key, long count, Action<Pickler>? view = null) =>
        Tuple([(object)"storage", (Action<Pickler>)(p => p.Global("torch", type)), key, "cpu", count, .. view is null ? Array.Empty<object?>() : [view]]).Op('Q');

    public Pickler Tensor(string type, string key, long count, long offset, long[] size, long[] stride, Action<Pickler>? view = null) =>
        Global("torch._utils", "_rebuild_tensor_v2")
            .Tuple((Action<Pickler>)(p => p.Storage(type, key, count, view)), offset, size, stride, false, (Action<Pickler>)(p => p.Global("collections", "OrderedDict").Op(')', 'R')))
            .Op('R');

    private Pickler Op(char first, char second) => Op(first).Op(second);

    private Pickler Sequence(char open, object?[] items, char close)
    {
        Op(open);
        foreach (var item in items) Value(item);
        return Op(close);
    }
}
