using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace Frostline.Staging;

/// <summary>
/// What a record in a <see cref="FeatureStore"/> was computed from, as a hash of 128 bits. Equal keys mean equal inputs; it tells
/// contents apart and is no protection against forgery.
/// </summary>
/// <param name="Value">The hash.</param>
public readonly record struct FeatureKey(UInt128 Value)
{
    /// <summary>How many bytes a key takes in a file.</summary>
    internal const int Size = 16;

    /// <summary>The key of one row of one sample.</summary>
    /// <param name="input">The hash of the sample's bytes, see <see cref="HashOf(ReadOnlySpan{byte})"/>.</param>
    /// <param name="transform">The deterministic transform that the bytes went through, with all its options.</param>
    /// <param name="variant">Which variant of a random transform; 0 where there is none.</param>
    /// <param name="row">Which row of the sample, for networks that have several a sample.</param>
    public static FeatureKey Of(UInt128 input, string transform, int variant = 0, int row = 0) =>
        new FeatureKeyBuilder().AddHash(input).Add(transform).Add(variant).Add(row).Build();

    /// <summary>The XXH128 of some bytes, for example of an image file.</summary>
    /// <param name="bytes">The bytes.</param>
    public static UInt128 HashOf(ReadOnlySpan<byte> bytes) => XxHash128.HashToUInt128(bytes);

    /// <summary>The XXH128 of what is left of a stream.</summary>
    /// <param name="stream">The stream; read to its end.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static UInt128 HashOf(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var hash = new XxHash128();
        hash.Append(stream);
        return hash.GetCurrentHashAsUInt128();
    }

    /// <summary>The key as 32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);

    internal static FeatureKey Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    internal void Write(Span<byte> bytes) => BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);
}

/// <summary>
/// Builds a <see cref="FeatureKey"/> from parts. Each part goes into the hash with its kind and its length, so that no two lists of
/// parts become one by running together: ("ab", "c") and ("a", "bc") have different keys, and so have 1 and "1".
/// </summary>
public sealed class FeatureKeyBuilder
{
    private readonly XxHash128 _hash = new();

    private enum Kind : byte
    {
        Bytes = 1,
        Text = 2,
        Number = 3,
        Hash = 4,
    }

    /// <summary>Adds bytes as they are.</summary>
    /// <param name="bytes">The part.</param>
    /// <returns>This builder.</returns>
    public FeatureKeyBuilder Add(ReadOnlySpan<byte> bytes) => Add(Kind.Bytes, bytes);

    /// <summary>Adds a text, as UTF-8.</summary>
    /// <param name="text">The part.</param>
    /// <returns>This builder.</returns>
    public FeatureKeyBuilder Add(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Add(Kind.Text, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Adds a whole number.</summary>
    /// <param name="number">The part.</param>
    /// <returns>This builder.</returns>
    public FeatureKeyBuilder Add(long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        return Add(Kind.Number, bytes);
    }

    /// <summary>Adds a hash that was taken before.</summary>
    /// <param name="hash">The part.</param>
    /// <returns>This builder.</returns>
    public FeatureKeyBuilder AddHash(UInt128 hash)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, hash);
        return Add(Kind.Hash, bytes);
    }

    /// <summary>The key of the parts that were added so far.</summary>
    public FeatureKey Build() => new(_hash.GetCurrentHashAsUInt128());

    private FeatureKeyBuilder Add(Kind kind, ReadOnlySpan<byte> bytes)
    {
        Span<byte> head = stackalloc byte[1 + sizeof(long)];
        head[0] = (byte)kind;
        BinaryPrimitives.WriteInt64LittleEndian(head[1..], bytes.Length);
        _hash.Append(head);
        _hash.Append(bytes);
        return this;
    }
}
