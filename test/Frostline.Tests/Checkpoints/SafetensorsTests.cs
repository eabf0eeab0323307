using System.Buffers.Binary;
using System.Text;
using CsCheck;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

public sealed class SafetensorsTests
{
    private static readonly Gen<(TensorInfo Info, byte[] Bytes)> s_tensor =
        from name in Gen.String[Gen.Char.AlphaNumeric, 1, 6].Array[1, 3].Select(parts => string.Join('.', parts) + "é姿")
        from type in Gen.Enum<TensorType>()
        from shape in Gen.Long[0, 4].Array[0, 4]
        let info = new TensorInfo(name, type, shape)
        from bytes in Gen.Byte.Array[(int)info.ByteCount]
        select (info, bytes);

    private static readonly Gen<((TensorInfo Info, byte[] Bytes)[] Tensors, Dictionary<string, string> Metadata)> s_file =
        Gen.Select(
            s_tensor.Array[0, 6].Select(tensors => tensors.DistinctBy(t => t.Info.Name).ToArray()),
            Gen.Dictionary(Gen.String[Gen.Char.AlphaNumeric, 1, 5], Gen.String[Gen.Char["\"\\\n\u0001aé€"], 0, 8])[0, 3]);

    [Fact]
    public void What_is_written_is_read_back() =>
        s_file.Holds(
            file =>
            {
                using var checkpoint = Open(Write(file.Tensors, file.Metadata));
                Assert.Equal(CheckpointFormat.Safetensors, checkpoint.Format);
                Assert.Equal(file.Tensors.Select(t => t.Info.Name), checkpoint.Tensors.Select(t => t.Name));
                foreach (var (info, bytes) in file.Tensors)
                {
                    var found = checkpoint.Find(info.Name);
                    Assert.Equal(info.Type, found.Type);
                    Assert.Equal(info.Shape, found.Shape);
                    Assert.Equal(bytes, checkpoint.Read(info.Name));
                }

                Assert.Equal(file.Metadata.OrderBy(p => p.Key, StringComparer.Ordinal), checkpoint.Metadata.OrderBy(p => p.Key, StringComparer.Ordinal));
            },
            samples: 500);

    [Fact]
    public void Equal_input_gives_equal_bytes_and_data_begins_at_a_multiple_of_eight()
    {
        (TensorInfo, byte[])[] tensors = [(new TensorInfo("b", TensorType.UInt8, [3]), [1, 2, 3]), (new TensorInfo("a", TensorType.Bool, []), [1])];
        var forward = Write(tensors, new Dictionary<string, string> { ["x"] = "1", ["y"] = "2" });
        var backward = Write(tensors, new Dictionary<string, string> { ["y"] = "2", ["x"] = "1" });
        Assert.Equal(forward, backward);
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(forward) % 8);
        using var checkpoint = Open(forward);
        Assert.Equal(["b", "a"], checkpoint.Tensors.Select(t => t.Name));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}""", 2, "twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "overlaps")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5, "hole")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "hole")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 1, "cut short")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3, "follow the last tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "needs 8 bytes")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}""", 2, "needs 2 bytes")]
    [InlineData("""{"a":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "larger than 64 bits")]
    [InlineData("""{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}""", 0, "non-negative")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}""", 1, "non-negative")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}""", 1, "unsupported type F4")]
    [InlineData("""{"a":{"dtype":"U8","data_offsets":[0,1]}}""", 1, "lacks")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}""", 1, "twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1}}""", 1, "unexpected")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "not a text")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "twice")]
    [InlineData("""{"a":1}""", 0, "not an object")]
    [InlineData("""{"a":""", 0, "not valid JSON")]
    [InlineData("""{} x""", 0, "not valid JSON")]
    [InlineData(""" {}""", 0, "not a checkpoint")]
    public void A_broken_rule_of_the_format_is_named(string header, int data, string expected)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var error = Assert.Throws<CheckpointException>(() => Open([.. BitConverter.GetBytes((long)json.Length), .. json, .. new byte[data]]));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("memory: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData(100_000_001, "allows 100000000")]
    [InlineData(50_000_000, "cut short")]
    public void A_header_longer_than_allowed_or_than_the_file_is_refused_without_allocating_it(long length, string expected)
    {
        byte[] bytes = [.. BitConverter.GetBytes(length), .. "{}"u8];
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<CheckpointException>(() => Open(bytes));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_writer_refuses_what_it_could_not_read_back()
    {
        var info = new TensorInfo("a", TensorType.UInt8, [2]);
        Assert.Contains("\"a\"", Assert.Throws<CheckpointException>(() => Write([(info, [1, 2]), (info, [1, 2])])).Message, StringComparison.Ordinal);
        Assert.Contains("1 of its 2 bytes", Assert.Throws<CheckpointException>(() => Write([(info, [1])])).Message, StringComparison.Ordinal);
        Assert.Contains("more than its 2", Assert.Throws<CheckpointException>(() => Write([(info, [1, 2, 3])])).Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => Write([(info with { Name = "__metadata__" }, [1, 2])]));
        Assert.Throws<CheckpointException>(() => Write([(info with { Name = "a\ud800" }, [1, 2])]));
    }

    [Fact]
    public void A_failing_tensor_leaves_the_old_file_as_it_was()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("m.safetensors");
        File.WriteAllText(path, "old");
        var source = new TensorSource(new TensorInfo("a", TensorType.UInt8, [2]), _ => throw new InvalidOperationException("no"));
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.Write(path, [source]));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_real_file_opens_and_copies_unchanged()
    {
        using var checkpoint = Checkpoint.Open(Fixtures.PathOf("data/squeezenet1_0/squeezenet1_0.safetensors"));
        Assert.Equal(52, checkpoint.Tensors.Count);
        using var folder = new TemporaryFolder();
        var copy = folder.PathOf("copy.safetensors");
        SafetensorsWriter.Write(copy, [.. checkpoint.Tensors.Reverse().Select(t => TensorSource.From(checkpoint, t))]);
        using var copied = Checkpoint.Open(copy);
        Assert.Equal(checkpoint.ContentHash(), copied.ContentHash());
        Assert.Equal(checkpoint.Tensors.Reverse().Select(t => t.Name), copied.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void Opening_reads_the_header_only()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("large.safetensors");
        var json = """{"a":{"dtype":"F32","shape":[1048576,64],"data_offsets":[0,268435456]}}"""u8;
        using (var file = File.Create(path))
        {
            file.Write(BitConverter.GetBytes((long)json.Length));
            file.Write(json);
            file.SetLength(file.Length + 268435456);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        using (var checkpoint = Checkpoint.Open(path)) Assert.Single(checkpoint.Tensors);
        Assert.True(watch.ElapsedMilliseconds < 500);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    private static Checkpoint Open(byte[] bytes) => Checkpoint.Open(bytes, "memory");

    private static byte[] Write((TensorInfo Info, byte[] Bytes)[] tensors, Dictionary<string, string>? metadata = null)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [.. tensors.Select(t => TensorSource.From(t.Info, t.Bytes))], metadata);
        return stream.ToArray();
    }
}
