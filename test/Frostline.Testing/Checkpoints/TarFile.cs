using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Frostline.Testing.Checkpoints;

/// <summary>A storage of a tar file: its number, class without "Storage", element size and elements.</summary>
public sealed record TarStorage(long Key, string Type, int ElementSize, byte[] Data)
{
    /// <summary>How many elements it claims to have; null for what it has.</summary>
    public long? Claimed { get; init; }
}

/// <summary>A tensor of a tar file.</summary>
public sealed record TarTensor(long Key, long Storage, string Type, long Offset, long[] Size, long[] Stride);

/// <summary>Lays tar archives out byte for byte, and those of PyTorch 0.1 as its <c>torch.save</c> did.</summary>
public static class TarFile
{
    private const int Block = 512;

    /// <summary>PyTorch's archive of an object whose persistent ids are the tensors' numbers as texts.</summary>
    public static byte[] PyTorch(Action<Pickler> pickle, TarStorage[] storages, (long Key, long Root, long First, long Count)[] views, TarTensor[] tensors) =>
        Archive(
            ("sys_info", Pickler.Bytes(p => p.Dict(("protocol_version", 1000), ("little_endian", true)))), ("pickle", Pickler.Bytes(pickle)),
            ("tensors", Tensors(tensors)), ("storages", Storages(storages, views)));

    /// <summary>An id that names a tensor or storage.</summary>
    public static Action<Pickler> Id(long key) => p => p.Text(key.ToString(CultureInfo.InvariantCulture)).Op('Q');

    /// <summary>The member <c>storages</c>.</summary>
    public static byte[] Storages(TarStorage[] storages, (long Key, long Root, long First, long Count)[] views)
    {
        ArgumentNullException.ThrowIfNull(storages);
        using var stream = new MemoryStream();
        stream.Write(Pickler.Bytes(p => p.Integer(storages.Length)));
        foreach (var storage in storages)
        {
            stream.Write(Pickler.Bytes(p => p.Tuple(storage.Key, "cpu", (Action<Pickler>)(q => q.Global("torch", $"{storage.Type}Storage")))));
            stream.Write(BitConverter.GetBytes(storage.Claimed ?? storage.Data.Length / storage.ElementSize));
            stream.Write(storage.Data);
        }

        stream.Write(Pickler.Bytes(p => p.List([.. views.Select(v => (Action<Pickler>)(q => q.Tuple(v.Key, v.Root, v.First, v.Count)))])));
        return stream.ToArray();
    }

    /// <summary>The member <c>tensors</c>.</summary>
    public static byte[] Tensors(TarTensor[] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var stream = new MemoryStream();
        stream.Write(Pickler.Bytes(p => p.Integer(tensors.Length)));
        foreach (var tensor in tensors)
        {
            stream.Write(Pickler.Bytes(p => p.Tuple(tensor.Key, tensor.Storage, (Action<Pickler>)(q => q.Global("torch", $"{tensor.Type}Tensor")))));
            // The four bytes after the rank are of no use, and not zero in old files.
            stream.Write(BitConverter.GetBytes(tensor.Size.Length));
            stream.Write([0xee, 0xee, 0xee, 0xee]);
            foreach (var number in (long[])[.. tensor.Size, .. tensor.Stride, tensor.Offset]) stream.Write(BitConverter.GetBytes(number));
        }

        return stream.ToArray();
    }

    /// <summary>A tar archive in Python's pax format, whose members have fractional times and so a pax header each.</summary>
    public static byte[] Archive(params (string Name, byte[] Data)[] members)
    {
        ArgumentNullException.ThrowIfNull(members);
        using var stream = new MemoryStream();
        foreach (var (name, data) in members)
        {
            Write(stream, "././@PaxHeader", "27 mtime=1485183742.123456\n"u8.ToArray(), 'x');
            Write(stream, name, data, '0');
        }

        // Python fills records of 10,240 bytes, with two empty blocks at the least.
        stream.Write(new byte[2 * Block]);
        stream.Write(new byte[(10240 - (int)(stream.Length % 10240)) % 10240]);
        return stream.ToArray();
    }

    /// <summary>A member with its header.</summary>
    public static void Write(Stream stream, string name, byte[] data, char kind)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(data);
        stream.Write(Header(name, data.Length, kind));
        stream.Write(data);
        stream.Write(new byte[(Block - (data.Length % Block)) % Block]);
    }

    /// <summary>A header with its checksum.</summary>
    public static byte[] Header(string name, long length, char kind)
    {
        ArgumentNullException.ThrowIfNull(name);
        var header = new byte[Block];
        void Put(int at, string text) => Encoding.ASCII.GetBytes(text).CopyTo(header, at);
        Put(0, name);
        Put(100, "0000600\00000000\00000000\0");
        if (length < 1L << 33)
        {
            Put(124, Convert.ToString(length, 8).PadLeft(11, '0') + "\0");
        }
        else
        {
            header[124] = 0x80;
            BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(128), length);
        }

        Put(136, "13041342776\0        ");
        header[156] = (byte)kind;
        Put(257, "ustar\000");
        Put(148, Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ");
        return header;
    }
}
