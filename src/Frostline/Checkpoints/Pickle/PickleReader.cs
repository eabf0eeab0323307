using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Frostline.Checkpoints.Pickle;

/// <summary>Reads the arguments of opcodes; every length is checked against what is left before anything is allocated.</summary>
internal ref struct PickleReader
{
    // Nobody saves integers of more than 2,000 digits in a checkpoint, and printing them takes quadratic time.
    private const int LongestInteger = 1024;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly PickleContext _context;

    public PickleReader(ReadOnlySpan<byte> bytes, PickleContext context)
    {
        _bytes = bytes;
        _context = context;
    }

    /// <summary>The next byte's offset from the start of the pickle.</summary>
    public int Position { get; private set; }

    public byte ReadByte() => Take(1)[0];

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double ReadDouble() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>An integer in two's complement, little-endian; a long where it fits.</summary>
    public object ReadInteger(uint length)
    {
        if (length > LongestInteger) throw _context.Error($"an integer of {length} bytes", Position);
        var value = new BigInteger(Take(length));
        // The cast to object keeps the compiler from widening the long again.
        return value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;
    }

    public byte[] ReadBytes(ulong length)
    {
        var bytes = Take(length);
        _context.Charge(bytes.Length + 32, Position);
        return bytes.ToArray();
    }

    public string ReadText(ulong length)
    {
        var start = Position;
        var bytes = Take(length);
        _context.Charge((2L * bytes.Length) + 32, Position);
        try
        {
            return s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            // Python's own "surrogatepass", which pickle uses, writes lone surrogates that UTF-8 forbids.
            throw _context.Error("a text that is not valid UTF-8", start);
        }
    }

    /// <summary>A text of Python 2, where texts and bytes are one type.</summary>
    public object ReadOldText(uint length)
    {
        var bytes = Take(length);
        _context.Charge((2L * bytes.Length) + 32, Position);
        try
        {
            return s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return bytes.ToArray();
        }
    }

    /// <summary>A line of a GLOBAL opcode; names are short, so a long line is refused.</summary>
    public string ReadLine()
    {
        var start = Position;
        var line = _bytes[start..Math.Min(_bytes.Length, start + 256)];
        var end = line.IndexOf((byte)'\n');
        if (end < 0) throw _context.Error("a name without an end", start);
        Position = start + end + 1;
        _context.Charge((2L * end) + 32, start);
        return Encoding.Latin1.GetString(line[..end]);
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(_bytes.Length - Position)) throw _context.CutShort(Position, length);
        var bytes = _bytes.Slice(Position, (int)length);
        Position += (int)length;
        return bytes;
    }
}
