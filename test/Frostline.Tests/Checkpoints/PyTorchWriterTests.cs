using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using CsCheck;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

public sealed class PyTorchWriterTests : IDisposable
{
    private static readonly Gen<(TensorInfo Info, byte[] Bytes)> s_tensor =
        from name in Gen.String[Gen.Char.AlphaNumeric, 0, 6].Array[1, 3].Select(parts => string.Join('.', parts) + "é姿")
        from type in Gen.Enum<TensorType>()
        from shape in Gen.Long[0, 4].Array[0, 5]
        let info = new TensorInfo(name, type, shape)
        from bytes in Gen.Byte.Array[(int)info.ByteCount]
        select (info, bytes);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back() =>
        s_tensor.Array[1, 6].Select(tensors => tensors.DistinctBy(t => t.Info.Name).ToArray()).Holds(
            tensors =>
            {
                using var checkpoint = Checkpoint.Open(Bytes([.. tensors.Select(t => TensorSource.From(t.Info, t.Bytes))]), "written");
                Assert.Equal((CheckpointFormat.PyTorchZip, ""), (checkpoint.Format, checkpoint.Key));
                Assert.Equal(tensors.Select(t => t.Info.Name), checkpoint.Tensors.Select(t => t.Name));
                foreach (var (info, bytes) in tensors)
                {
                    var found = checkpoint.Find(info.Name);
                    Assert.Equal(info.Type, found.Type);
                    Assert.Equal(info.Shape, found.Shape);
                    Assert.Equal(bytes, checkpoint.Read(info.Name));
                }
            },
            samples: 500);

    [Theory]
    [InlineData(1)]
    [InlineData(1001)]
    [InlineData(2500)]
    public void Any_number_of_tensors_is_read_back(int count)
    {
        var tensors = Enumerable.Range(0, count).Select(i => Tensor($"layer{i}.weight", TensorType.Int16, 1 + (i % 3))).ToArray();
        using var checkpoint = Checkpoint.Open(Bytes(tensors), "written");
        Assert.Equal(ContentHash.Of(tensors), checkpoint.ContentHash());
        Assert.Equal(tensors.Select(t => t.Info.Name), checkpoint.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void The_archive_has_the_records_of_PyTorch_2_in_its_order()
    {
        using var archive = new ZipArchive(new MemoryStream(Bytes([Tensor("a.w", TensorType.Float32, 5), Tensor("b", TensorType.Bool)])));
        Assert.Equal(
            ["data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version", ".data/serialization_id"],
            archive.Entries.Select(entry => entry.FullName["archive/".Length..]));
        string Text(string name)
        {
            using var reader = new StreamReader(archive.GetEntry("archive/" + name)!.Open());
            return reader.ReadToEnd();
        }

        Assert.Equal(("1", "64", "little", "3\n"), (Text(".format_version"), Text(".storage_alignment"), Text("byteorder"), Text("version")));
        Assert.Matches(@"\A\d{40}\z", Text(".data/serialization_id"));
    }

    [Fact]
    public void Every_payload_begins_at_a_multiple_of_64_behind_padding_in_the_local_header()
    {
        var bytes = Bytes([.. Enumerable.Range(0, 40).Select(i => Tensor(new string('n', i + 1), TensorType.UInt8, i))]);
        using var source = new ArrayBytes("written", bytes);
        var directory = ZipDirectory.Read(source);
        Assert.Equal(46, directory.Entries.Count);
        foreach (var entry in directory.Entries.Values)
        {
            var start = directory.Locate(entry);
            Assert.Equal(0, start % 64);
            var name = (int)entry.Header + 30;
            var extra = bytes.AsSpan(name + Encoding.UTF8.GetByteCount(entry.Name));
            Assert.Equal("FB"u8, extra[..2]);
            Assert.Equal(start, bytes.Length - extra.Length + 4 + BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]));
            Assert.Equal(0, entry.Method);
        }
    }

    [Fact]
    public void Equal_input_gives_equal_bytes_and_another_tensor_another_serialization_id()
    {
        var first = Bytes([Tensor("a", TensorType.Float32, 3)]);
        Assert.Equal(first, Bytes([Tensor("a", TensorType.Float32, 3)]));
        string Id(byte[] bytes)
        {
            using var archive = new ZipArchive(new MemoryStream(bytes));
            using var reader = new StreamReader(archive.GetEntry("archive/.data/serialization_id")!.Open());
            return reader.ReadToEnd();
        }

        Assert.NotEqual(Id(first), Id(Bytes([TensorSource.From(new("a", TensorType.Float32, [3]), new byte[12])])));
    }

    [Fact]
    public void Wrong_input_is_refused_and_leaves_no_file()
    {
        var path = _folder.PathOf("a.pth");
        string Error(params TensorSource[] tensors) => Assert.Throws<CheckpointException>(() => PyTorchWriter.Write(path, tensors)).Message;
        Assert.Contains("\"a\"", Error(Tensor("a", TensorType.Bool, 1), Tensor("a", TensorType.Bool, 2)), StringComparison.Ordinal);
        Assert.Contains("not valid Unicode", Error(Tensor("a\ud800", TensorType.Bool, 1)), StringComparison.Ordinal);
        Assert.Contains("wrote 3 of its 8 bytes", Error(TensorSource.From(new("a", TensorType.Int64, []), new byte[3])), StringComparison.Ordinal);
        Assert.Contains("writes more", Error(TensorSource.From(new("a", TensorType.Int8, []), new byte[3])), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    private static byte[] Bytes(params TensorSource[] tensors)
    {
        using var stream = new MemoryStream();
        PyTorchWriter.Write(stream, tensors);
        return stream.ToArray();
    }

    private static TensorSource Tensor(string name, TensorType type, params long[] shape)
    {
        var info = new TensorInfo(name, type, shape);
        var bytes = new byte[info.ByteCount];
        for (var i = 0; i < bytes.Length; i++) bytes[i] = type == TensorType.Bool ? (byte)(i & 1) : (byte)((i * 37) + name.Length);
        return TensorSource.From(info, bytes);
    }
}
