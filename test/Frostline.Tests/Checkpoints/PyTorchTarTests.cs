using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>The tar archives of PyTorch 0.1, which the tests lay out themselves; Debian's PyTorch reads the same files to the same values.</summary>
public sealed class PyTorchTarTests : IDisposable
{
    private const string Print =
        """
        import sys, torch
        widths = {torch.float64: torch.int64, torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}
        def bits(t):
            t = t.detach().contiguous()
            return (t.view(widths[t.dtype]) if t.dtype in widths else t).reshape(-1).numpy().tobytes().hex()
        file = torch.load(sys.argv[1])
        assert file["epoch"] == 3
        for name, t in file["state_dict"].items():
            print(name, str(t.dtype)[6:], "x".join(map(str, t.shape)), bits(t), sep="|")
        """;

    private static readonly (string Storage, string Name, TensorType Type)[] s_types =
    [
        ("Double", "float64", TensorType.Float64), ("Float", "float32", TensorType.Float32), ("Half", "float16", TensorType.Float16),
        ("BFloat16", "bfloat16", TensorType.BFloat16), ("Long", "int64", TensorType.Int64), ("Int", "int32", TensorType.Int32),
        ("Short", "int16", TensorType.Int16), ("Char", "int8", TensorType.Int8), ("Byte", "uint8", TensorType.UInt8), ("Bool", "bool", TensorType.Bool),
    ];

    private static readonly byte[] s_numbers = MemoryMarshal.AsBytes<float>([1, 2, 3, 4, 5, 6]).ToArray();
    private static readonly TarStorage s_storage = new(7, "Float", 4, s_numbers);
    private static readonly TarTensor s_tensor = new(70, 7, "Float", 0, [2, 3], [3, 1]);
    private static readonly byte[] s_pickle = Pickler.Bytes(p => p.Dict(("a", TarFile.Id(70))));
    private static readonly byte[] s_small = TarFile.PyTorch(p => p.Dict(("a", TarFile.Id(70))), [s_storage], [], [s_tensor]);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Python_and_Frostline_read_every_type_view_and_stride_alike()
    {
        var random = new Random(7);
        var (storages, tensors, entries) = (new List<TarStorage>(), new List<TarTensor>(), new List<(object?, object?)>());
        var views = new List<(long Key, long Root, long First, long Count)>();
        void Add(string name, long storage, string type, long offset, long[] size, long[] stride)
        {
            tensors.Add(new TarTensor(140_000_000_000_000 + tensors.Count, storage, type, offset, size, stride));
            entries.Add((name, TarFile.Id(tensors[^1].Key)));
        }

        foreach (var (storage, name, type) in s_types)
        {
            var data = new byte[24 * type.Size()];
            random.NextBytes(data);
            if (type == TensorType.Bool) data = Array.ConvertAll(data, b => (byte)(b & 1));
            var key = 94_000_000_000_000 + (1000 * storages.Count);
            storages.Add(new TarStorage(key, storage, type.Size(), data));
            views.Add((key + 1, key, 4, 12));
            views.Add((key + 2, key + 1, 2, 6));
            Add($"{name}.whole", key, storage, 0, [2, 3, 4], [12, 4, 1]);
            Add($"{name}.transposed", key, storage, 1, [4, 5], [1, 4]);
            Add($"{name}.view", key + 1, storage, 2, [5], [2]);
            Add($"{name}.inner", key + 2, storage, 0, [2, 3], [3, 1]);
            Add($"{name}.scalar", key, storage, 23, [], []);
            Add($"{name}.empty", key, storage, 0, [0], [1]);
        }

        var path = _folder.PathOf("tar.pth");
        File.WriteAllBytes(path, TarFile.PyTorch(
            p => p.Dict(("epoch", 3), ("state_dict", (Action<Pickler>)(q => q.Dict([.. entries]))), ("storage", TarFile.Id(storages[0].Key))),
            [.. storages], [.. views], [.. tensors]));
        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal((CheckpointFormat.PyTorchTar, "state_dict"), (checkpoint.Format, checkpoint.Key));
        Assert.Contains(checkpoint.Values, value => value is { Key: "epoch", Value: 3L });
        var found = checkpoint.Tensors.Select(t =>
            $"{t.Name}|{s_types.Single(s => s.Type == t.Type).Name}|{string.Join('x', t.Shape)}|{Convert.ToHexStringLower(checkpoint.Read(t.Name))}");
        Assert.Equal(PythonPeer.Run("torch", Print, path).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n'), found);
    }

    [Fact]
    public void Python_s_own_tar_archives_are_read()
    {
        const string script =
            """
            import sys, tarfile
            with tarfile.open(sys.argv[1], "w:", format=int(sys.argv[5])) as tar:
                for name in ["pickle", "tensors", "storages"]: tar.add(sys.argv[2 + ["pickle", "tensors", "storages"].index(name)], arcname=name)
            """;
        File.WriteAllBytes(_folder.PathOf("p"), s_pickle);
        File.WriteAllBytes(_folder.PathOf("t"), TarFile.Tensors([s_tensor]));
        File.WriteAllBytes(_folder.PathOf("s"), TarFile.Storages([s_storage], []));
        foreach (var format in new[] { "0", "1", "2" })
        {
            PythonPeer.Run("tarfile", script, _folder.PathOf("x.tar"), _folder.PathOf("p"), _folder.PathOf("t"), _folder.PathOf("s"), format);
            using var checkpoint = Checkpoint.Open(_folder.PathOf("x.tar"));
            Assert.Equal(s_numbers, checkpoint.Read("a"));
        }
    }

    [Fact]
    public void Streams_are_read_too()
    {
        using var checkpoint = Checkpoint.Open(new MemoryStream(s_small), "memory");
        Assert.Equal(s_numbers, checkpoint.Read("a"));
    }

    [Fact]
    public void Headers_are_checked()
    {
        var damaged = (byte[])s_small.Clone();
        damaged[4 * 512] ^= 1;
        Assert.Contains("does not have its checksum", Error(damaged), StringComparison.Ordinal);
        damaged = (byte[])s_small.Clone();
        damaged[0] ^= 1;
        Assert.Contains("damaged tar archive", Error(damaged), StringComparison.Ordinal);
        damaged[148] = 0x80;
        Assert.Contains("damaged tar archive", Error(damaged), StringComparison.Ordinal);
        Assert.Contains("cut short", Error(s_small[..^9000]), StringComparison.Ordinal);
        Assert.Contains("claims 1099511627776 bytes", Error([.. TarFile.Header("pickle", 1L << 40, '0'), .. new byte[512]]), StringComparison.Ordinal);
        Assert.Contains("not one of PyTorch", Error(TarFile.Archive(("readme", new byte[5]))), StringComparison.Ordinal);
        Assert.Contains("no member storages", Error(TarFile.Archive(("pickle", s_pickle), ("tensors", TarFile.Tensors([])))), StringComparison.Ordinal);
        Assert.Contains("two members of one name", Error(TarFile.Archive(("pickle", []), ("pickle", []))), StringComparison.Ordinal);
        Assert.Contains("64 tar members", Error(TarFile.Archive([("pickle", s_pickle), .. Enumerable.Range(0, 64).Select(i => ($"f{i}", Array.Empty<byte>()))])), StringComparison.Ordinal);
        foreach (var kind in "12LKS")
            Assert.Contains("is no plain file", Error([.. TarFile.Header("pickle", 0, kind), .. new byte[512]]), StringComparison.Ordinal);
        Assert.Contains("pax records", Error(Pax("99 path=pickle\n")), StringComparison.Ordinal);
        Assert.Contains("sparse", Error(Pax("22 GNU.sparse.major=1\n")), StringComparison.Ordinal);
        Assert.Contains("claims 4096 bytes", Error(Pax("13 size=4096\n")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_in_a_pax_header_counts()
    {
        using var stream = new MemoryStream();
        TarFile.Write(stream, "x", "15 path=pickle\n"u8.ToArray(), 'x');
        TarFile.Write(stream, "other", s_pickle, '0');
        TarFile.Write(stream, "tensors", TarFile.Tensors([s_tensor]), '0');
        TarFile.Write(stream, "storages", TarFile.Storages([s_storage], []), '0');
        using var checkpoint = Checkpoint.Open(stream.ToArray(), "memory");
        Assert.Equal(s_numbers, checkpoint.Read("a"));
    }

    [Fact]
    public void What_lies_outside_or_is_missing_is_refused()
    {
        string With(TarStorage[] storages, (long, long, long, long)[] views, TarTensor[] tensors, Action<Pickler>? pickle = null) =>
            Error(TarFile.PyTorch(pickle ?? (p => p.Dict(("a", TarFile.Id(70)))), storages, views, tensors));
        Assert.Contains("more than the file holds", With([s_storage with { Claimed = 1L << 60 }], [], [s_tensor]), StringComparison.Ordinal);
        Assert.Contains("more than the file holds", With([s_storage with { Claimed = -1 }], [], [s_tensor]), StringComparison.Ordinal);
        Assert.Contains("\"torch.ImaginaryStorage\"", With([s_storage with { Type = "Imaginary" }], [], [s_tensor]), StringComparison.Ordinal);
        Assert.Contains("one number", With([s_storage, s_storage], [], [s_tensor]), StringComparison.Ordinal);
        Assert.Contains("does not lie in its storage", With([s_storage], [(8, 7, 4, 3)], [s_tensor]), StringComparison.Ordinal);
        Assert.Contains("does not lie in its storage", With([s_storage], [(8, 9, 0, 1)], [s_tensor]), StringComparison.Ordinal);
        Assert.Contains("its storage is missing", With([s_storage], [], [s_tensor with { Storage = 8 }]), StringComparison.Ordinal);
        Assert.Contains("outside its storage", With([s_storage], [], [s_tensor with { Offset = 1 }]), StringComparison.Ordinal);
        Assert.Contains("65 dimensions", With([s_storage], [], [s_tensor with { Size = [.. Enumerable.Repeat(1L, 65)] }]), StringComparison.Ordinal);
        Assert.Contains("names no storage or tensor", With([s_storage], [], [s_tensor], p => p.Dict(("a", TarFile.Id(71)))), StringComparison.Ordinal);
        Assert.Contains("names no storage or tensor", With([s_storage], [], [s_tensor], p => p.Text("x").Op('Q')), StringComparison.Ordinal);
        Assert.Contains("\"os.system\"", With([s_storage], [], [s_tensor], p => p.Global("os", "system")), StringComparison.Ordinal);
        Assert.Contains("ends within a number", Error(TarFile.Archive(
            ("pickle", s_pickle), ("tensors", TarFile.Tensors([s_tensor])[..^8]), ("storages", TarFile.Storages([s_storage], [])))), StringComparison.Ordinal);
    }

    private static byte[] Pax(string records)
    {
        using var stream = new MemoryStream();
        TarFile.Write(stream, "x", System.Text.Encoding.ASCII.GetBytes(records), 'x');
        TarFile.Write(stream, "pickle", s_pickle, '0');
        return stream.ToArray();
    }

    private static string Error(byte[] bytes)
    {
        var message = Assert.Throws<CheckpointException>(() => Checkpoint.Open(bytes, "memory").Dispose()).Message;
        Assert.StartsWith("memory: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
