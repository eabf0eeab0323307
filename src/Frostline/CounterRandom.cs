using System.Text;

namespace Frostline;

/// <summary>
/// A counter-based random generator, Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011),
/// keyed by a seed and a name. What it draws depends on nothing else: not on other generators, threads, or the order in which
/// names are visited. Same seed and name, same numbers, on every platform.
/// </summary>
public sealed class CounterRandom
{
    private const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;

    private readonly uint _key0, _key1;
    private readonly ulong _stream;
    private readonly uint[] _block = new uint[4];
    private ulong _counter;
    private int _used = 4;
    private double _spareNormal = double.NaN;

    /// <summary>Creates the generator of a seed and a name.</summary>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="name">What is drawn, for example a parameter's dotted name; hashed as UTF-8 with FNV-1a (64 bits).</param>
    public CounterRandom(long seed, string name)
        : this(unchecked((ulong)seed), Hash(name))
    {
    }

    private CounterRandom(ulong key, ulong stream)
    {
        _key0 = (uint)key;
        _key1 = (uint)(key >> 32);
        _stream = stream;
    }

    /// <summary>The next 32 bits.</summary>
    public uint NextUInt32()
    {
        if (_used == 4)
        {
            Block(_counter++, _stream, _key0, _key1, _block);
            _used = 0;
        }

        return _block[_used++];
    }

    /// <summary>The next 64 bits.</summary>
    public ulong NextUInt64() => ((ulong)NextUInt32() << 32) | NextUInt32();

    /// <summary>A double in [0, 1), a multiple of 2^-53.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A double in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double NextDouble(double low, double high) => low + ((high - low) * NextDouble());

    /// <summary>An integer in [0, <paramref name="bound"/>), unbiased (Lemire, "Fast random integer generation", 2019).</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is less than 1.</exception>
    public int NextInt32(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        var threshold = (uint)-bound % (uint)bound;
        while (true)
        {
            var product = (ulong)NextUInt32() * (uint)bound;
            if ((uint)product >= threshold) return (int)(product >> 32);
        }
    }

    /// <summary>A standard normal number (Box and Muller, 1958; both numbers of a pair are used).</summary>
    public double NextNormal()
    {
        if (!double.IsNaN(_spareNormal))
        {
            var spare = _spareNormal;
            _spareNormal = double.NaN;
            return spare;
        }

        var radius = Math.Sqrt(-2.0 * Math.Log(1.0 - NextDouble()));
        var (sin, cos) = Math.SinCos(2.0 * Math.PI * NextDouble());
        _spareNormal = radius * sin;
        return radius * cos;
    }

    /// <summary>Shuffles in place (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = NextInt32(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>One 128-bit block of Philox4x32-10: counter (low: position, high: stream), key, ten rounds.</summary>
    internal static void Block(ulong counter, ulong stream, uint key0, uint key1, Span<uint> output)
    {
        uint c0 = (uint)counter, c1 = (uint)(counter >> 32), c2 = (uint)stream, c3 = (uint)(stream >> 32);
        for (var round = 0; round < 10; round++)
        {
            var product0 = (ulong)Multiplier0 * c0;
            var product1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(product1 >> 32) ^ c1 ^ key0, (uint)product1, (uint)(product0 >> 32) ^ c3 ^ key1, (uint)product0);
            unchecked
            {
                key0 += Weyl0;
                key1 += Weyl1;
            }
        }

        (output[0], output[1], output[2], output[3]) = (c0, c1, c2, c3);
    }

    private static ulong Hash(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var hash = 0xcbf29ce484222325UL;
        foreach (var b in Encoding.UTF8.GetBytes(name)) hash = unchecked((hash ^ b) * 0x100000001b3UL);
        return hash;
    }
}
