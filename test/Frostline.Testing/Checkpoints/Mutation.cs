namespace Frostline.Testing.Checkpoints;

/// <summary>Damages files at random, the same way for the same seed.</summary>
public static class Mutation
{
    private static readonly byte[][] s_tokens =
    [
        [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0xff, 0xff, 0xff, 0x7f], [0x80], [0x2e], "R"u8.ToArray(), "("u8.ToArray(), "u"u8.ToArray(),
        "2"u8.ToArray(), "]"u8.ToArray(), "}"u8.ToArray(), "e"u8.ToArray(), "b"u8.ToArray(), "\""u8.ToArray(), "99999999999999999999"u8.ToArray(),
    ];

    /// <summary>
    /// One to three changes: a byte, a bit, a token over other bytes; and in one of ten cases one that moves what follows: a token
    /// between bytes, a removed or repeated stretch, a cut. Those are rare because most formats are full of offsets, so that most
    /// of the reader would never be reached.
    /// </summary>
    public static byte[] Apply(byte[] bytes, int seed)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        var random = new Random(seed);
        for (var changes = random.Next(1, 4); changes > 0; changes--) bytes = Change(bytes, random);
        return bytes;
    }

    private static byte[] Change(byte[] bytes, Random random)
    {
        var kind = random.Next(10) > 0 ? random.Next(3) : random.Next(3, 7);
        if (bytes.Length == 0) return bytes;
        var at = random.Next(bytes.Length);
        var length = random.NextDouble();
        var end = Math.Min(bytes.Length, at + 1 + (int)(length * length * 64));
        var token = s_tokens[random.Next(s_tokens.Length)];
        return kind switch
        {
            0 => [.. bytes[..at], (byte)random.Next(256), .. bytes[(at + 1)..]],
            1 => [.. bytes[..at], (byte)(bytes[at] ^ (1 << random.Next(8))), .. bytes[(at + 1)..]],
            2 => [.. bytes[..at], .. token, .. bytes[Math.Min(bytes.Length, at + token.Length)..]],
            3 => [.. bytes[..at], .. token, .. bytes[at..]],
            4 => [.. bytes[..at], .. bytes[end..]],
            5 => [.. bytes[..end], .. bytes[at..]],
            _ => bytes[..at],
        };
    }
}
