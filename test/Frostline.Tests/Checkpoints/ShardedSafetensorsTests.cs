using System.Text;
using CsCheck;
using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Sets of several safetensors files and their index.</summary>
public sealed class ShardedSafetensorsTests : IDisposable
{
    private const string First = "model-00001-of-00002.safetensors";
    private const string Second = "model-00002-of-00002.safetensors";

    private static readonly Gen<TensorSource[]> s_tensors =
        (from name in Gen.String[Gen.Char["ab.é姿\"\n"], 1, 5]
         from type in Gen.Enum<TensorType>()
         from shape in Gen.Long[0, 4].Array[0, 4]
         let info = new TensorInfo(name, type, shape)
         from bytes in Gen.Byte.Array[(int)info.ByteCount]
         select TensorSource.From(info, bytes))
        .Array[0, 8].Select(tensors => tensors.DistinctBy(t => t.Info.Name).ToArray());

    private readonly TemporaryFolder _folder = new();

    private string IndexPath => _folder.PathOf("model.safetensors.index.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back_in_its_order() =>
        Gen.Select(s_tensors, Gen.Long[1, 200]).Holds(
            (tensors, most) =>
            {
                using var folder = new TemporaryFolder();
                var path = folder.PathOf("m.safetensors.index.json");
                SafetensorsWriter.WriteSharded(path, tensors, most, new Dictionary<string, string> { ["format"] = "pt", ["note"] = "a\nb" });
                using var checkpoint = Checkpoint.Open(path);
                Assert.Equal(CheckpointFormat.SafetensorsSharded, checkpoint.Format);
                Assert.Equal(tensors.Select(t => t.Info.Name), checkpoint.Tensors.Select(t => t.Name));
                Assert.Equal(ContentHash.Of(tensors), checkpoint.ContentHash());
                Assert.Equal(
                    [new("format", "pt"), new("note", "a\nb"), new("total_size", $"{tensors.Sum(t => t.Info.ByteCount)}")],
                    checkpoint.Metadata);
                foreach (var shard in Directory.GetFiles(folder.Path, "*.safetensors"))
                {
                    using var file = Checkpoint.Open(shard);
                    Assert.True(file.Tensors.Count == 1 || file.Tensors.Sum(t => t.ByteCount) <= most);
                }
            },
            samples: 200);

    [Fact]
    public void Files_are_named_and_filled_as_Hugging_Face_does()
    {
        SafetensorsWriter.WriteSharded(IndexPath, [Tensor("c", 6), Tensor("a", 6), Tensor("d", 2), Tensor("b", 30), Tensor("e", 1)], 10);
        Assert.Equal(
            ["model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors", "model-00003-of-00004.safetensors",
             "model-00004-of-00004.safetensors", "model.safetensors.index.json"],
            Names());
        // Byte for byte what json.dumps(index, indent=2, sort_keys=True) gives, and a line feed.
        Assert.Equal(
            """
            {
              "metadata": {
                "total_size": 45
              },
              "weight_map": {
                "a": "model-00002-of-00004.safetensors",
                "b": "model-00003-of-00004.safetensors",
                "c": "model-00001-of-00004.safetensors",
                "d": "model-00002-of-00004.safetensors",
                "e": "model-00004-of-00004.safetensors"
              }
            }

            """.ReplaceLineEndings("\n"),
            File.ReadAllText(IndexPath));
    }

    [Fact]
    public void Equal_input_gives_equal_bytes_and_what_was_read_can_be_written()
    {
        var metadata = new Dictionary<string, string> { ["z"] = "1", ["a"] = "2", ["format"] = "pt" };
        SafetensorsWriter.WriteSharded(IndexPath, [Tensor("a", 3), Tensor("b", 3)], 3, metadata);
        using var read = Checkpoint.Open(IndexPath);
        var copy = _folder.PathOf("copy/model.safetensors.index.json");
        SafetensorsWriter.WriteSharded(copy, [.. read.Tensors.Select(t => TensorSource.From(read, t))], 3, read.Metadata);
        foreach (var name in (string[])[First, Second, "model.safetensors.index.json"])
            Assert.Equal(File.ReadAllBytes(_folder.PathOf(name)), File.ReadAllBytes(_folder.PathOf($"copy/{name}")));
        using var shard = Checkpoint.Open(_folder.PathOf(Second));
        Assert.Equal("pt", Assert.Single(shard.Metadata).Value);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_failing_tensor_leaves_every_old_file_as_it_was(int failing)
    {
        SafetensorsWriter.WriteSharded(IndexPath, [Tensor("a", 3), Tensor("b", 3)], 3);
        var before = Names().ToDictionary(name => name, name => File.ReadAllBytes(_folder.PathOf(name)));
        TensorSource[] tensors = [Tensor("a", 3, 9), Tensor("b", 3, 9)];
        tensors[failing] = tensors[failing] with { Write = _ => throw new InvalidOperationException("no") };
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.WriteSharded(IndexPath, tensors, 3));
        Assert.Equal(before.Keys, Names());
        Assert.All(before, file => Assert.Equal(file.Value, File.ReadAllBytes(_folder.PathOf(file.Key))));
    }

    [Fact]
    public void The_index_is_put_in_place_last_and_an_old_one_is_gone_before()
    {
        SafetensorsWriter.WriteSharded(IndexPath, [Tensor("a", 3), Tensor("b", 3)], 3);
        File.Delete(_folder.PathOf(Second));
        // A folder where a shard has to go makes the renaming fail half-way.
        Directory.CreateDirectory(_folder.PathOf(Second));
        Assert.ThrowsAny<Exception>(() => SafetensorsWriter.WriteSharded(IndexPath, [Tensor("a", 3, 9), Tensor("b", 3, 9)], 3));
        Assert.Equal([First], Names());
    }

    [Fact]
    public void The_writer_refuses_what_it_could_not_read_back()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => SafetensorsWriter.WriteSharded(IndexPath, [], 0));
        Refused(() => SafetensorsWriter.WriteSharded(_folder.PathOf("model.json"), [], 1), "NAME.safetensors.index.json");
        Refused(() => SafetensorsWriter.WriteSharded(_folder.PathOf(".safetensors.index.json"), [], 1), "NAME.safetensors.index.json");
        Refused(() => SafetensorsWriter.WriteSharded(_folder.PathOf("a:b.safetensors.index.json"), [], 1), "not every system");
        Refused(() => SafetensorsWriter.WriteSharded(IndexPath, [Tensor("a", 1), Tensor("a", 1)], 1), "\"a\"");
        Refused(() => SafetensorsWriter.WriteSharded(IndexPath, [Tensor("__metadata__", 1)], 1), "rename it");
        Refused(() => SafetensorsWriter.WriteSharded(IndexPath, [.. Enumerable.Range(0, 100_000).Select(i => Tensor($"{i}", 1))], 1), "99999");
        Assert.Empty(Names());
    }

    [Fact]
    public void Tensors_come_in_the_order_of_the_shards_and_values_of_any_kind_become_text()
    {
        Put(First, ShardedSet.Shard(new Dictionary<string, string> { ["format"] = "pt", ["n"] = "1" }, Tensor("z", 1), Tensor("b", 2)));
        Put(Second, ShardedSet.Shard(new Dictionary<string, string> { ["format"] = "pt", ["n"] = "2" }, Tensor("a", 3)));
        Put(
            "any name at all",
            ShardedSet.Index("""{"total_size": 7, "x": null, "list": [1, {"a": true}], "text": "é"}""", ("a", Second), ("b", First), ("z", First)));
        using var checkpoint = Checkpoint.Open(_folder.PathOf("any name at all"));
        Assert.Equal(CheckpointFormat.SafetensorsSharded, Checkpoint.Identify(_folder.PathOf("any name at all")));
        Assert.Equal(["z", "b", "a"], checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal([1, 1, 1], checkpoint.Read("a"));
        Assert.Equal(
            new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                // Seven is not the true size. Nobody checks it, because writers count differently.
                ["total_size"] = "7",
                ["x"] = "null",
                ["list"] = """[1, {"a": true}]""",
                ["text"] = "é",
                ["format"] = "pt",
                ["n"] = "1",
                [$"{Second}:n"] = "2",
            },
            checkpoint.Metadata);
        Refused(() => Checkpoint.Open(_folder.PathOf("any name at all"), "model"), "leave it out");
        checkpoint.Dispose();
    }

    [Theory]
    [InlineData("c", Second, "lacks the tensor \"b\", which is in model-00002-of-00002.safetensors")]
    [InlineData("b", "model-00003-of-00002.safetensors", "needs the file \"model-00003-of-00002.safetensors\", which is not in its folder; did you mean")]
    public void Index_and_shards_have_to_agree(string tensor, string file, string expected)
    {
        Put(First, ShardedSet.Shard(null, Tensor("a", 1)));
        Put(Second, ShardedSet.Shard(null, Tensor("b", 1)));
        Put("model.safetensors.index.json", ShardedSet.Index(null, ("a", First), (tensor, file)));
        Refused(() => Checkpoint.Open(IndexPath), expected);
    }

    [Fact]
    public void A_tensor_that_is_in_two_shards_or_in_none_is_refused()
    {
        Put(First, ShardedSet.Shard(null, Tensor("a", 1), Tensor("b", 1)));
        Put(Second, ShardedSet.Shard(null, Tensor("b", 1)));
        Put("model.safetensors.index.json", ShardedSet.Index(null, ("a", First), ("b", Second)));
        Refused(() => Checkpoint.Open(IndexPath), $"puts the tensor \"b\" into {Second}, but it is in {First}");
        Put(First, ShardedSet.Shard(null, Tensor("a", 1)));
        Put("model.safetensors.index.json", ShardedSet.Index(null, ("a", First), ("b", Second), ("c", Second)));
        Refused(() => Checkpoint.Open(IndexPath), $"puts the tensor \"c\" into {Second}, which lacks it");
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("C:\\model.safetensors")]
    [InlineData("C:model")]
    [InlineData("sub/model.safetensors")]
    [InlineData("sub\\model.safetensors")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("a\n")]
    [InlineData("a\0")]
    [InlineData("model.safetensors:stream")]
    [InlineData(".. ")]
    public void A_shard_is_a_plain_file_name(string name)
    {
        Put("model.safetensors.index.json", ShardedSet.Index(null, ("a", name)));
        Refused(() => Checkpoint.Open(IndexPath), "whose name is not plain");
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"x","a":"x"}}""", "\"a\" twice")]
    [InlineData("""{"weight_map":{"a":1}}""", "no file name")]
    [InlineData("""{"weight_map":[]}""", "is not an object")]
    [InlineData("""{"weight_map":{},"weight_map":{}}""", "weight_map twice")]
    [InlineData("""{"weight_map":{},"metadata":[]}""", "metadata of the index is not an object")]
    [InlineData("""{"weight_map":{},"metadata":{"a":1,"a":2}}""", "\"a\" twice")]
    [InlineData("""{"metadata":{"a":1},"metadata":{},"weight_map":{}}""", "metadata twice")]
    [InlineData("""{"x":{"weight_map":{}}}""", "lacks weight_map")]
    [InlineData("""{"weight_map":{}} x""", "not valid JSON")]
    [InlineData("""{"weight_map":{"a":""", "not valid JSON")]
    [InlineData("""{"weight_map":{"\ud800":"x"}}""", "not valid JSON")]
    [InlineData("""{"metadata":{"layers":12}}""", "not a checkpoint")]
    [InlineData("""["weight_map"]""", "not a checkpoint")]
    public void A_broken_index_is_named(string json, string expected)
    {
        Put("model.safetensors.index.json", Encoding.UTF8.GetBytes(json));
        Refused(() => Checkpoint.Open(IndexPath), expected);
    }

    [Fact]
    public void What_is_no_safetensors_file_cannot_be_a_shard()
    {
        Put("model.safetensors.index.json", ShardedSet.Index(null, ("a", First)));
        Put(First, "version https://git-lfs.github.com/spec/v1"u8.ToArray());
        Refused(() => Checkpoint.Open(IndexPath), $"{First}: is a Git LFS pointer");
        PyTorchWriter.Write(_folder.PathOf(First), [Tensor("a", 1)]);
        Refused(() => Checkpoint.Open(IndexPath), $"{First}: is PyTorchZip, but only safetensors");
        Put(First, ShardedSet.Index(null, ("a", First)));
        Refused(() => Checkpoint.Open(IndexPath), $"{First}: is SafetensorsSharded, but only safetensors");
        Put(First, ShardedSet.Shard(null, Tensor("a", 9))[..^1]);
        Refused(() => Checkpoint.Open(IndexPath), "cut short");
    }

    [Fact]
    public void An_index_without_a_folder_is_told_to_be_opened_by_its_path()
    {
        var index = ShardedSet.Index(null, ("a", First));
        Assert.Equal(CheckpointFormat.SafetensorsSharded, Checkpoint.Identify(index, "memory"));
        Refused(() => Checkpoint.Open(index, "memory"), "open it by its path");
        Refused(() => Checkpoint.Open(new MemoryStream(index), "stream"), "open it by its path");
    }

    [Fact]
    public void A_path_from_the_current_folder_and_a_link_to_elsewhere_find_the_shards()
    {
        SafetensorsWriter.WriteSharded(_folder.PathOf("blobs/model.safetensors.index.json"), [Tensor("a", 3), Tensor("b", 3)], 3);
        // Hugging Face's cache is laid out so.
        Directory.CreateDirectory(_folder.PathOf("snapshot"));
        foreach (var (link, file) in new[] { ("index.json", "model.safetensors.index.json"), (First, First), (Second, Second) })
            File.CreateSymbolicLink(_folder.PathOf($"snapshot/{link}"), Path.Combine("..", "blobs", file));
        using var linked = Checkpoint.Open(_folder.PathOf("snapshot/index.json"));
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, _folder.PathOf("blobs/model.safetensors.index.json"));
        using var direct = Checkpoint.Open(relative);
        Assert.Equal(direct.ContentHash(), linked.ContentHash());
    }

    [Fact]
    public void Every_file_is_closed_when_the_checkpoint_is_and_when_opening_fails()
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("/proc lists open files");
        Put(First, ShardedSet.Shard(null, Tensor("a", 1)));
        Put(Second, ShardedSet.Shard(null, Tensor("b", 1)));
        Put("model.safetensors.index.json", ShardedSet.Index(null, ("a", First), ("b", Second)));
        var checkpoint = Checkpoint.Open(IndexPath);
        Assert.Equal([First, Second, "model.safetensors.index.json"], Mapped());
        checkpoint.Dispose();
        Assert.Empty(Mapped());
        Put(Second, ShardedSet.Shard(null, Tensor("c", 1)));
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(IndexPath));
        Assert.Empty(Mapped());
    }

    [Fact]
    public void Opening_reads_headers_only_and_a_long_index_is_refused_before_it_is_read()
    {
        SafetensorsWriter.WriteSharded(
            IndexPath, [.. Enumerable.Range(0, 4).Select(i => new TensorSource(new($"t{i}", TensorType.UInt8, [16 << 20]), s => s.Write(new byte[16 << 20])))], 16 << 20);
        var before = GC.GetAllocatedBytesForCurrentThread();
        using (var checkpoint = Checkpoint.Open(IndexPath)) Assert.Equal(4, checkpoint.Tensors.Count);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        using (var file = File.OpenWrite(IndexPath)) file.SetLength(CheckpointLimits.SafetensorsIndexBytes + 1);
        Refused(() => Checkpoint.Open(IndexPath), "the limit for an index");
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 2 << 20);
    }

    private static TensorSource Tensor(string name, int size, byte value = 1) =>
        TensorSource.From(new(name, TensorType.UInt8, [size]), Enumerable.Repeat(value, size).ToArray());

    private static void Refused(Action action, string expected)
    {
        var error = Assert.Throws<CheckpointException>(action);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private void Put(string name, byte[] bytes) => File.WriteAllBytes(_folder.PathOf(name), bytes);

    private IEnumerable<string> Names() => Directory.GetFiles(_folder.Path).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal);

    private IEnumerable<string> Mapped() =>
        File.ReadLines("/proc/self/maps").Where(line => line.Contains(_folder.Path, StringComparison.Ordinal))
            .Select(line => Path.GetFileName(line)).Distinct().Order(StringComparer.Ordinal);
}
