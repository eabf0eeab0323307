using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Numerics;
using System.Text;

namespace Frostline.Testing.Checkpoints;

/// <summary>An entry of a zip archive as it is written, with whatever it claims.</summary>
public sealed record ZipPart(string Name, byte[] Data)
{
    public uint? Crc { get; init; }

    public ushort Method { get; init; }

    public ushort Flags { get; init; }

    public long? Claimed { get; init; }

    public long? Header { get; init; }

    public bool Wide { get; init; }
}

/// <summary>Lays files out byte for byte as torch.save does.</summary>
public static class TorchFile
{
    public static byte[] Zip(Action<Pickler> pickle, params (string Key, byte[] Data)[] storages) => Zip(Pickler.Bytes(pickle), storages);

    public static byte[] Zip(byte[] pickle, params (string Key, byte[] Data)[] storages) => Archive(Parts(pickle, storages));

    public static ZipPart[] Parts(byte[] pickle, params (string Key, byte[] Data)[] storages) =>
        [new("archive/data.pkl", pickle), .. storages.Select(s => new ZipPart($"archive/data/{s.Key}", s.Data)), new("archive/version", "3\n"u8.ToArray())];

    /// <summary>An archive of torch.jit.save, with a little code.</summary>
    public static byte[] Script(byte[] pickle, params (string Key, byte[] Data)[] storages) => Archive(
        [.. Parts(pickle, storages), new("archive/code/__torch__.py", "raise SystemExit\n"u8.ToArray()), new("archive/constants.pkl", Pickler.Bytes(p => p.Op(')')))]);

    public static byte[] Archive(params ZipPart[] parts)
    {
        using var stream = new MemoryStream();
        using var directory = new MemoryStream();
        foreach (var part in parts)
        {
            var start = stream.Position;
            var name = Encoding.UTF8.GetBytes(part.Name);
            var crc = part.Crc ?? Crc32.HashToUInt32(part.Data);
            var size = part.Claimed ?? part.Data.Length;
            // torch.save pads the local header so that data begin at a multiple of 64.
            var padding = (int)((64 - ((start + 30 + name.Length + 4) % 64)) % 64);
            Write(stream, 0x04034b50u, (ushort)20, part.Flags, part.Method, 0u, crc, (uint)part.Data.Length, (uint)part.Data.Length, (ushort)name.Length, (ushort)(padding + 4));
            stream.Write(name);
            Write(stream, (ushort)0x4246, (ushort)padding);
            stream.Write(new byte[padding]);
            stream.Write(part.Data);

            var header = part.Header ?? start;
            uint Narrow(long value) => part.Wide ? uint.MaxValue : (uint)value;
            Write(
                directory, 0x02014b50u, (ushort)45, (ushort)45, part.Flags, part.Method, 0u, crc, Narrow(part.Data.Length), Narrow(size),
                (ushort)name.Length, (ushort)(part.Wide ? 28 : 0), (ushort)0, (ushort)0, (ushort)0, 0u, Narrow(header));
            directory.Write(name);
            if (part.Wide) Write(directory, (ushort)1, (ushort)24, (ulong)size, (ulong)part.Data.Length, (ulong)header);
        }

        var at = stream.Position;
        stream.Write(directory.ToArray());
        if (parts.Any(part => part.Wide))
        {
            var end = stream.Position;
            Write(stream, 0x06064b50u, 44UL, (ushort)45, (ushort)45, 0u, 0u, (ulong)parts.Length, (ulong)parts.Length, (ulong)directory.Length, (ulong)at);
            Write(stream, 0x07064b50u, 0u, (ulong)end, 1u);
            Write(stream, 0x06054b50u, (ushort)0, (ushort)0, ushort.MaxValue, ushort.MaxValue, uint.MaxValue, uint.MaxValue, (ushort)0);
        }
        else
        {
            Write(stream, 0x06054b50u, (ushort)0, (ushort)0, (ushort)parts.Length, (ushort)parts.Length, (uint)directory.Length, (uint)at, (ushort)0);
        }

        return stream.ToArray();
    }

    public static byte[] Legacy(Action<Pickler> pickle, params (string Key, int ElementSize, byte[] Data)[] storages) => Legacy(Pickler.Bytes(pickle), storages);

    public static byte[] Legacy(byte[] pickle, params (string Key, int ElementSize, byte[] Data)[] storages)
    {
        using var stream = new MemoryStream();
        stream.Write(Pickler.Bytes(p => p.Integer(BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture))));
        stream.Write(Pickler.Bytes(p => p.Integer(1001)));
        stream.Write(Pickler.Bytes(p => p.Dict(("protocol_version", 1001), ("little_endian", true))));
        stream.Write(pickle);
        stream.Write(Pickler.Bytes(p => p.List([.. storages.Select(s => s.Key)])));
        foreach (var (_, size, data) in storages)
        {
            stream.Write(BitConverter.GetBytes((long)data.Length / size));
            stream.Write(data);
        }

        return stream.ToArray();
    }

    private static void Write(MemoryStream stream, params object[] values)
    {
        Span<byte> bytes = stackalloc byte[8];
        foreach (var value in values)
        {
            var (number, size) = value switch { ushort u => (u, 2), uint u => (u, 4), ulong u => (u, 8), _ => throw new ArgumentException("no such field", nameof(values)) };
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
            stream.Write(bytes[..size]);
        }
    }
}
