using CsCheck;
using Frostline.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Damages files at random and checks that nothing but a checkpoint error comes of it.</summary>
internal static class Mutation
{
    private static readonly byte[][] s_tokens =
    [
        [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0xff, 0xff, 0xff, 0x7f], [0x80], [0x2e], "R"u8.ToArray(), "("u8.ToArray(), "u"u8.ToArray(),
        "2"u8.ToArray(), "]"u8.ToArray(), "}"u8.ToArray(), "e"u8.ToArray(), "b"u8.ToArray(), "\""u8.ToArray(), "99999999999999999999"u8.ToArray(),
    ];

    /// <summary>One to three changes: a byte, a bit, a token over or between bytes, a removed or repeated stretch, a cut.</summary>
    public static Gen<Func<byte[], byte[]>> Any { get; } = Changes(Gen.Int[0, 6]);

    /// <summary>
    /// The same, but rarely one that moves what follows: a zip archive is full of offsets, and most others would already fail
    /// at its directory.
    /// </summary>
    public static Gen<Func<byte[], byte[]>> Mostly { get; } = Changes(Gen.Frequency((9, Gen.Int[0, 2]), (1, Gen.Int[3, 6])));

    /// <summary>Opens and reads all; returns how far it got: 0 not identified, 1 identified, 2 opened.</summary>
    public static int ReadEverything(byte[] bytes, long allocation = 32 << 20)
    {
        var stage = 0;
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using (var source = new ArrayBytes("memory", bytes)) CheckpointFormats.Identify(source);
            stage = 1;
            using var checkpoint = Checkpoint.Open(bytes, "memory");
            stage = 2;
            foreach (var tensor in checkpoint.Tensors) checkpoint.CopyTo(tensor, Stream.Null);
        }
        catch (CheckpointException e)
        {
            Assert.DoesNotContain('\n', e.Message);
        }

        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < allocation, "allocates more than the limit");
        return stage;
    }

    private static Gen<Func<byte[], byte[]>> Changes(Gen<int> kind) =>
        Gen.Select(kind, Gen.Double.Unit, Gen.Double.Unit, Gen.Byte).Array[1, 3].Select<(int, double, double, byte)[], Func<byte[], byte[]>>(
            changes => bytes => changes.Aggregate(bytes, (b, c) => Change(b, c.Item1, c.Item2, c.Item3, c.Item4)));

    private static byte[] Change(byte[] bytes, int kind, double where, double length, byte value)
    {
        if (bytes.Length == 0) return bytes;
        var at = Math.Min((int)(where * bytes.Length), bytes.Length - 1);
        var end = Math.Min(bytes.Length, at + 1 + (int)(length * length * 64));
        var token = s_tokens[value % s_tokens.Length];
        switch (kind)
        {
            case 0: return [.. bytes[..at], value, .. bytes[(at + 1)..]];
            case 1: return [.. bytes[..at], (byte)(bytes[at] ^ (1 << (value & 7))), .. bytes[(at + 1)..]];
            case 2: return [.. bytes[..at], .. token, .. bytes[Math.Min(bytes.Length, at + token.Length)..]];
            case 3: return [.. bytes[..at], .. token, .. bytes[at..]];
            case 4: return [.. bytes[..at], .. bytes[end..]];
            case 5: return [.. bytes[..end], .. bytes[at..]];
            default: return bytes[..at];
        }
    }
}
