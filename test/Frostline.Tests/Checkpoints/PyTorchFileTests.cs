using System.Numerics;
using System.Runtime.InteropServices;
using CsCheck;
using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Files that the tests lay out themselves, as PyTorch does and as it does not.</summary>
public sealed class PyTorchFileTests
{
    private static readonly byte[] s_numbers = MemoryMarshal.AsBytes<float>([1, 2, 3, 4, 5, 6]).ToArray();

    private static readonly Action<Pickler> s_state = p => p.Dict(
        ("a.weight", Tensor("0", 6, 0, [2, 3], [3, 1])), ("a.bias", Tensor("1", 2, 0, [2], [1])), ("epoch", 3), ("rate", 0.5));

    private static readonly byte[] s_zip = TorchFile.Zip(s_state, ("0", s_numbers), ("1", new byte[8]));
    private static readonly byte[] s_legacy = TorchFile.Legacy(s_state, ("0", 4, s_numbers), ("1", 4, new byte[8]));

    public static TheoryData<bool> Containers { get; } = [true, false];

    [Theory]
    [MemberData(nameof(Containers))]
    public void Views_are_read_row_by_row(bool zip)
    {
        var pickle = (Action<Pickler>)(p => p.Dict(
            ("whole", Tensor("0", 6, 0, [2, 3], [3, 1])), ("transposed", Tensor("0", 6, 0, [3, 2], [1, 3])), ("column", Tensor("0", 6, 1, [2], [3])),
            ("expanded", Tensor("0", 6, 2, [2, 2, 1], [0, 1, 7])), ("scalar", Tensor("0", 6, 5, [], [])), ("empty", Tensor("0", 6, 0, [0, 3], [3, 1])),
            ("windows", Tensor("0", 6, 0, [3, 3], [1, 1]))));
        using var checkpoint = Open(zip ? TorchFile.Zip(pickle, ("0", s_numbers)) : TorchFile.Legacy(pickle, ("0", 4, s_numbers)));
        Assert.Equal([1, 2, 3, 4, 5, 6], Floats(checkpoint, "whole"));
        Assert.Equal([1, 4, 2, 5, 3, 6], Floats(checkpoint, "transposed"));
        Assert.Equal([2, 5], Floats(checkpoint, "column"));
        Assert.Equal([3, 4, 3, 4], Floats(checkpoint, "expanded"));
        Assert.Equal([6], Floats(checkpoint, "scalar"));
        Assert.Equal([], Floats(checkpoint, "empty"));
        Assert.Equal([1, 2, 3, 2, 3, 4, 3, 4, 5], Floats(checkpoint, "windows"));
    }

    [Fact]
    public void Any_view_is_read_like_one_index_after_the_other() =>
        Gen.Select(Gen.Long[0, 4], Gen.Select(Gen.Long[1, 4], Gen.Long[0, 5]).Array[1, 4], Gen.Int[0, 3], Gen.Int[1, 7]).Holds(
            (offset, dims, typeIndex, parts) =>
            {
                string[] types = ["ByteStorage", "ShortStorage", "FloatStorage", "DoubleStorage"];
                var element = 1 << typeIndex;
                var (size, stride) = (dims.Select(d => d.Item1).ToArray(), dims.Select(d => d.Item2).ToArray());
                var count = offset + 1 + dims.Sum(d => (d.Item1 - 1) * d.Item2);
                var data = Enumerable.Range(0, (int)count * element).Select(i => (byte)(i * 7)).ToArray();
                using var checkpoint = Open(TorchFile.Zip(p => p.Tensor(types[typeIndex], "0", count, offset, size, stride), ("0", data)));

                var expected = new List<byte>();
                var total = size.Aggregate(1L, (a, b) => a * b);
                for (long i = 0; i < total; i++)
                {
                    var (rest, at) = (i, offset);
                    for (var d = size.Length - 1; d >= 0; d--) (rest, at) = (rest / size[d], at + (rest % size[d] * stride[d]));
                    expected.AddRange(data.AsSpan((int)at * element, element));
                }

                Assert.Equal(expected, checkpoint.Read("tensor"));
            },
            samples: 1000);

    [Fact]
    public void Large_strided_tensors_come_in_parts_that_fit_together()
    {
        const int rows = 700, columns = 1000;
        var values = Enumerable.Range(0, rows * columns).Select(i => (float)i).ToArray();
        using var checkpoint = Open(TorchFile.Zip(
            p => p.Tensor("FloatStorage", "0", values.Length, 0, [columns, rows], [1, columns]), ("0", MemoryMarshal.AsBytes<float>(values).ToArray())));
        using var stream = new MemoryStream();
        checkpoint.CopyTo(checkpoint.Tensors[0], stream);
        Assert.Equal(checkpoint.Read("tensor"), stream.ToArray());
        var floats = Floats(checkpoint, "tensor");
        Assert.Equal((5 * columns) + 7f, floats[(7 * rows) + 5]);
    }

    [Fact]
    public void Big_endian_archives_are_turned_round()
    {
        var swapped = s_numbers.Chunk(4).SelectMany(four => four.Reverse()).ToArray();
        ZipPart[] parts = TorchFile.Parts(Pickler.Bytes(s_state), ("0", swapped), ("1", new byte[8]));
        using var big = Open(TorchFile.Archive([.. parts, new("archive/byteorder", "big"u8.ToArray())]));
        using var little = Open(s_zip);
        Assert.Equal(little.ContentHash(), big.ContentHash());
        Assert.Contains("byteorder", Error(TorchFile.Archive([.. parts, new("archive/byteorder", "middle"u8.ToArray())])), StringComparison.Ordinal);
    }

    [Fact]
    public void Untyped_storages_of_newer_files_carry_newer_types()
    {
        using var checkpoint = Open(TorchFile.Zip(
            p => p.Global("torch._utils", "_rebuild_tensor_v3")
                .Tuple(
                    (Action<Pickler>)(q => q.Tuple("storage", (Action<Pickler>)(r => r.Global("torch.storage", "UntypedStorage")), "0", "cpu", 8).Op('Q')),
                    1, new long[] { 3 }, new long[] { 1 }, false, (Action<Pickler>)(q => q.Op('}')), (Action<Pickler>)(q => q.Global("torch", "uint16")))
                .Op('R'),
            ("0", [1, 0, 2, 0, 3, 0, 4, 0])));
        Assert.Equal(TensorType.UInt16, checkpoint.Tensors[0].Type);
        Assert.Equal([2, 0, 3, 0, 4, 0], checkpoint.Read("tensor"));
    }

    [Fact]
    public void Legacy_views_of_storages_are_followed()
    {
        var view = (Action<Pickler>)(p => p.Tuple("9", 2, 3));
        using var checkpoint = Open(TorchFile.Legacy(p => p.Tensor("FloatStorage", "0", 6, 1, [2], [1], view), ("0", 4, s_numbers)));
        Assert.Equal([4, 5], Floats(checkpoint, "tensor"));
        var outside = (Action<Pickler>)(p => p.Tuple("9", 4, 3));
        Assert.Contains("does not lie in it", Error(TorchFile.Legacy(p => p.Tensor("FloatStorage", "0", 6, 0, [1], [1], outside), ("0", 4, s_numbers))), StringComparison.Ordinal);
    }

    [Fact]
    public void Dictionaries_as_Python_2_wrote_them_are_read()
    {
        using var checkpoint = Open(TorchFile.Legacy(
            p => p.Global("collections", "OrderedDict")
                .Tuple((Action<Pickler>)(q => q.List((Action<Pickler>)(r => r.List((Action<Pickler>)(s => s.Op((byte)'U', 1, (byte)'w')), Tensor("0", 6, 0, [6], [1]))))))
                .Op('R'),
            ("0", 4, s_numbers)));
        Assert.Equal("w", Assert.Single(checkpoint.Tensors).Name);
    }

    [Fact]
    public void Plain_values_are_kept()
    {
        using var checkpoint = Open(s_zip);
        Assert.Equal([new("epoch", 3L), new("rate", 0.5)], checkpoint.Values);
        using var more = Open(TorchFile.Zip(
            p => p.Dict(
                ("w.x", Tensor("0", 6, 0, [6], [1])), ("args", (Action<Pickler>)(q => q.Global("argparse", "Namespace").Op(')').Op(0x81).Dict(("lr", 0.1)).Op('b'))),
                ("big", BigInteger.Pow(2, 90)), (1, (object[])[true, null!]), ("device", (Action<Pickler>)(q => q.Global("torch", "device").Tuple("cpu").Op('R'))),
                ("size", (Action<Pickler>)(q => q.Global("torch", "Size").Tuple(new long[] { 1, 2 }).Op('R')))),
            ("0", s_numbers)));
        Assert.Equal(
            [new("args/lr", 0.1), new("big", BigInteger.Pow(2, 90)), new("1/0", true), new("1/1", null), new("device", "<torch.device>"), new("size/0", 1L), new("size/1", 2L)],
            more.Values);
    }

    [Theory]
    [InlineData("f8", "<", new byte[] { 0, 0, 0, 0, 0, 0, 0xe0, 0x3f }, 0.5)]
    [InlineData("f8", ">", new byte[] { 0x3f, 0xe0, 0, 0, 0, 0, 0, 0 }, 0.5)]
    [InlineData("f4", "<", new byte[] { 0, 0, 0, 0x3f }, 0.5)]
    [InlineData("i8", "<", new byte[] { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, -2L)]
    [InlineData("i4", ">", new byte[] { 0, 0, 1, 0 }, 256L)]
    [InlineData("u8", "<", new byte[] { 7, 0, 0, 0, 0, 0, 0, 0 }, 7L)]
    [InlineData("b1", "|", new byte[] { 1 }, true)]
    [InlineData("f8", "<", new byte[] { 1 }, "<numpy.scalar>")]
    public void Scalars_of_NumPy_are_plain_values(string code, string order, byte[] bytes, object expected)
    {
        using var checkpoint = Open(TorchFile.Zip(
            p => p.Dict(
                ("w.x", Tensor("0", 6, 0, [6], [1])),
                ("best", (Action<Pickler>)(q => q.Global("numpy.core.multiarray", "scalar")
                    .Tuple(
                        (Action<Pickler>)(r => r.Global("numpy", "dtype").Tuple(code, false, true).Op('R').Tuple(3, order, null).Op('b')),
                        (Action<Pickler>)(r => r.Op((byte)'C', (byte)bytes.Length).Op(bytes)))
                    .Op('R')))),
            ("0", s_numbers)));
        Assert.Equal(expected, Assert.Single(checkpoint.Values).Value);
    }

    [Fact]
    public void Names_that_become_equal_are_an_error() =>
        Assert.Contains("two tensors are called \"a.b\"", Error(TorchFile.Zip(
            p => p.Dict(("a.b", Tensor("0", 6, 0, [6], [1])), ("a", (Action<Pickler>)(q => q.Dict(("b", Tensor("0", 6, 0, [6], [1])))))), ("0", s_numbers))), StringComparison.Ordinal);

    [Fact]
    public void Wrappers_are_followed_to_the_state_dict()
    {
        var state = (Action<Pickler>)(p => p.Dict(("w.x", Tensor("0", 6, 0, [6], [1]))));
        var nested = TorchFile.Zip(
            p => p.Dict(("ema", state), ("model", (Action<Pickler>)(q => q.Dict(("state_dict", state), ("step", 1)))), ("state_dict", (Action<Pickler>)(q => q.Dict(("x", 1))))),
            ("0", s_numbers));
        using var found = Open(nested);
        Assert.Equal("model/state_dict", found.Key);
        Assert.Equal("w.x", Assert.Single(found.Tensors).Name);
        Assert.Equal(["ema", "model", "model/state_dict"], found.Keys);
        using var chosen = Checkpoint.Open(nested, "memory", "ema");
        Assert.Equal("ema", chosen.Key);
        using var all = Checkpoint.Open(nested, "memory", "");
        Assert.Equal(["ema.w.x", "model.state_dict.w.x"], all.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void A_wide_archive_is_read()
    {
        var parts = TorchFile.Parts(Pickler.Bytes(s_state), ("0", s_numbers), ("1", new byte[8]));
        using var wide = Open(TorchFile.Archive([.. parts.Select(part => part with { Wide = true })]));
        using var narrow = Open(s_zip);
        Assert.Equal(narrow.ContentHash(), wide.ContentHash());
    }

    [Fact]
    public void One_flipped_bit_in_the_data_is_found_by_its_checksum()
    {
        var damaged = (byte[])s_zip.Clone();
        damaged[damaged.AsSpan().IndexOf(s_numbers) + 5] ^= 1;
        using var checkpoint = Open(damaged);
        Assert.Contains("archive/data/0 is damaged: its CRC-32", Assert.Throws<CheckpointException>(() => checkpoint.Read("a.weight")).Message, StringComparison.Ordinal);
        Assert.Equal(8, checkpoint.Read("a.bias").Length);
    }

    [Fact]
    public void Zip_archives_that_break_the_rules_are_refused()
    {
        var parts = TorchFile.Parts(Pickler.Bytes(s_state), ("0", s_numbers), ("1", new byte[8]));
        string With(int index, Func<ZipPart, ZipPart> change) => Error(TorchFile.Archive([.. parts.Select((part, i) => i == index ? change(part) : part)]));
        Assert.Contains("leaves the archive", With(3, part => part with { Name = "archive/../../etc/passwd" }), StringComparison.Ordinal);
        Assert.Contains("leaves the archive", With(3, part => part with { Name = "/etc/passwd" }), StringComparison.Ordinal);
        Assert.Contains("leaves the archive", With(3, part => part with { Name = "archive\\x" }), StringComparison.Ordinal);
        Assert.Contains("two entries archive/data/0", With(3, part => part with { Name = "archive/data/0" }), StringComparison.Ordinal);
        Assert.Contains("encrypted", With(3, part => part with { Flags = 1 }), StringComparison.Ordinal);
        Assert.Contains("compressed (method 8)", With(0, part => part with { Method = 8, Claimed = 1L << 20 }), StringComparison.Ordinal);
        Assert.Contains("claims two lengths", With(1, part => part with { Claimed = 1L << 31 }), StringComparison.Ordinal);
        Assert.Contains("overlaps", With(2, part => part with { Header = 1 }), StringComparison.Ordinal);
        Assert.Contains("lacks the storage archive/data/1", With(2, part => part with { Name = "archive/data/2" }), StringComparison.Ordinal);
        Assert.Contains("has 4 bytes, but 2 elements take 8", With(2, part => part with { Data = new byte[4] }), StringComparison.Ordinal);
        Assert.Contains("not one of torch.save", With(0, part => part with { Name = "archive/other.pkl" }), StringComparison.Ordinal);
        Assert.Contains("CRC-32", With(0, part => part with { Crc = 1 }), StringComparison.Ordinal);
        Assert.Contains("cut short", Error(s_zip[..^30]), StringComparison.Ordinal);
    }

    [Fact]
    public void Legacy_files_that_break_the_rules_are_refused()
    {
        Assert.Contains("cut short", Error(s_legacy[..^1]), StringComparison.Ordinal);
        Assert.Contains("cut short", Error(s_legacy[..60]), StringComparison.Ordinal);
        Assert.Contains("not in the list", Error(TorchFile.Legacy(s_state, ("0", 4, s_numbers))), StringComparison.Ordinal);
        Assert.Contains("unknown one, or one twice", Error(TorchFile.Legacy(s_state, ("0", 4, s_numbers), ("7", 4, s_numbers))), StringComparison.Ordinal);
        Assert.Contains("4 elements instead of 2", Error(TorchFile.Legacy(s_state, ("0", 4, s_numbers), ("1", 4, new byte[16]))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("<!DOCTYPE html><html>", "web page")]
    [InlineData("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer")]
    [InlineData("\u001f\u008b\u0008", "gzip")]
    [InlineData("\u0089HDF\r\n", "HDF5")]
    [InlineData("\u0080\u0004\u0095", "plain pickle")]
    [InlineData("PK\u0003\u0004abcdefghijklmnopqrstuvwxyz", "cut short")]
    [InlineData("hello", "not a checkpoint of a known format")]
    public void Other_files_are_named_for_what_they_are(string content, string expected) =>
        Assert.Contains(expected, Error(System.Text.Encoding.Latin1.GetBytes(content)), StringComparison.Ordinal);

    [Fact]
    public void A_missing_file_is_told_with_its_neighbours()
    {
        using var folder = new Testing.TemporaryFolder();
        File.WriteAllText(folder.PathOf("resnet18.pth"), "");
        Assert.Contains("no such file; did you mean \"resnet18.pth\"?", Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder.PathOf("resnet8.pth"))).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static Action<Pickler> Tensor(string key, long count, long offset, long[] size, long[] stride) =>
        p => p.Tensor("FloatStorage", key, count, offset, size, stride);

    private static Checkpoint Open(byte[] bytes) => Checkpoint.Open(bytes, "memory");

    private static string Error(byte[] bytes)
    {
        var message = Assert.Throws<CheckpointException>(() => Open(bytes)).Message;
        Assert.StartsWith("memory: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private static float[] Floats(Checkpoint checkpoint, string name) => MemoryMarshal.Cast<byte, float>(checkpoint.Read(name)).ToArray();
}
