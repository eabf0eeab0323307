using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Frostline.Checkpoints.Pickle;

/// <summary>
/// Writes a pickle of protocol 2 as Python's own pickler does, byte for byte: every string, tuple, class and object is
/// remembered under the next number, and a text or class that comes again is recalled by its number.
/// </summary>
internal sealed class PickleWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly Dictionary<string, int> _memo = new(StringComparer.Ordinal);
    private int _remembered;

    public PickleWriter()
    {
        Op(PickleOpcode.Proto);
        _bytes.Write((ReadOnlySpan<byte>)[2]);
    }

    /// <summary>Ends the pickle.</summary>
    public ReadOnlyMemory<byte> Finish()
    {
        Op(PickleOpcode.Stop);
        return _bytes.WrittenMemory;
    }

    public void Op(PickleOpcode opcode) => _bytes.Write((ReadOnlySpan<byte>)[(byte)opcode]);

    /// <summary>A class or function, with its module.</summary>
    public void Global(string module, string name)
    {
        var line = $"{module}\n{name}\n";
        if (Recall(line)) return;
        Op(PickleOpcode.Global);
        _bytes.Write(Encoding.ASCII.GetBytes(line));
        Remember(line);
    }

    /// <summary>A text that occurs once.</summary>
    public void Text(string text)
    {
        WriteText(text);
        Remember();
    }

    /// <summary>A text that is one object wherever it occurs.</summary>
    public void Constant(string text)
    {
        // Lines of classes hold line ends, constants do not, so that one table serves both.
        if (Recall(text)) return;
        WriteText(text);
        Remember(text);
    }

    public void Integer(long value)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        switch (value)
        {
            case >= 0 and <= byte.MaxValue:
                Op(PickleOpcode.BinInt1);
                _bytes.Write(number[..1]);
                break;
            case >= 0 and <= ushort.MaxValue:
                Op(PickleOpcode.BinInt2);
                _bytes.Write(number[..2]);
                break;
            case >= int.MinValue and <= int.MaxValue:
                Op(PickleOpcode.BinInt);
                _bytes.Write(number[..4]);
                break;
            default:
                // The fewest bytes in which the sign is kept.
                var length = 8;
                while (number[length - 1] == (number[length - 2] >= 0x80 ? 0xff : 0)) length--;
                Op(PickleOpcode.Long1);
                _bytes.Write((ReadOnlySpan<byte>)[(byte)length]);
                _bytes.Write(number[..length]);
                break;
        }
    }

    /// <summary>A tuple of numbers.</summary>
    public void Tuple(IReadOnlyList<long> items)
    {
        if (items.Count == 0)
        {
            Op(PickleOpcode.EmptyTuple);
            return;
        }

        if (items.Count > 3) Op(PickleOpcode.Mark);
        for (var i = 0; i < items.Count; i++) Integer(items[i]);
        Op(items.Count switch
        {
            1 => PickleOpcode.Tuple1,
            2 => PickleOpcode.Tuple2,
            3 => PickleOpcode.Tuple3,
            _ => PickleOpcode.Tuple,
        });
        Remember();
    }

    /// <summary>Remembers what was written last.</summary>
    public void Remember()
    {
        Numbered(_remembered, PickleOpcode.BinPut, PickleOpcode.LongBinPut);
        _remembered++;
    }

    private void Remember(string text)
    {
        _memo.Add(text, _remembered);
        Remember();
    }

    private bool Recall(string text)
    {
        if (!_memo.TryGetValue(text, out var number)) return false;
        Numbered(number, PickleOpcode.BinGet, PickleOpcode.LongBinGet);
        return true;
    }

    private void Numbered(int number, PickleOpcode small, PickleOpcode large)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        Op(number <= byte.MaxValue ? small : large);
        _bytes.Write(number <= byte.MaxValue ? bytes[..1] : bytes);
    }

    private void WriteText(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        Op(PickleOpcode.BinUnicode);
        _bytes.Write(length);
        _bytes.Write(utf8);
    }
}
