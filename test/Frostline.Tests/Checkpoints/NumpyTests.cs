using System.Globalization;
using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>NumPy's archives and arrays, as NumPy writes them and as it does not.</summary>
public sealed class NumpyTests : IDisposable
{
    // Every type in both byte orders, both index orders, odd shapes, and what is no tensor.
    private const string Make =
        """
        import sys, io, zipfile, numpy as np
        r = np.random.RandomState(4)
        a = {}
        for order in "<>":
            for code in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
                for shape in [(), (7,), (0, 3), (2, 3, 4)]:
                    n = int(np.prod(shape)) * int(code[1])
                    raw = bytes(r.randint(0, 2 if code == "b1" else 256, n, dtype=np.uint8))
                    x = np.frombuffer(raw, dtype=order + code).reshape(shape)
                    a[f"{code}{'le' if order == '<' else 'be'}.{len(shape)}"] = x
                    if len(shape) == 3: a[f"{code}{'le' if order == '<' else 'be'}.t/é"] = np.asfortranarray(x)
        print(len(a))
        for name, x in a.items():
            c = np.ascontiguousarray(x).astype(x.dtype.newbyteorder("<"))
            print(name, x.dtype.kind + str(x.dtype.itemsize), "x".join(map(str, x.shape)), c.tobytes().hex(), sep="|")
        a.update(objects=np.array([print, None], dtype=object), text=np.array(["ab", "c"]), raw=np.array([b"ab"]), z=np.zeros(2, "c8"),
                 pair=np.zeros(3, [("x", "<f4"), ("y", "<i2", (2,))]), when=np.zeros(2, "M8[s]"), brain=np.zeros((2, 3), "V2"))
        if sys.argv[3] == "versions":
            with zipfile.ZipFile(sys.argv[1], "w") as z:
                for i, (name, x) in enumerate(a.items()):
                    if x.dtype.kind in "OUSVcM": continue
                    b = io.BytesIO()
                    np.lib.format.write_array(b, x, version=[(1, 0), (2, 0), (3, 0)][i % 3])
                    z.writestr(name + ".npy", b.getvalue(), zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED)
        else:
            (np.savez_compressed if sys.argv[3] == "compressed" else np.savez)(sys.argv[1], **a)
        np.save(sys.argv[2], np.asfortranarray(a["f4be.3"]))
        """;

    private static readonly byte[] s_numbers = MemoryMarshal.AsBytes<float>([1, 2, 3, 4, 5, 6]).ToArray();
    private static readonly byte[] s_array = NumpyFile.Array("'<f4'", [2, 3], s_numbers);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("stored")]
    [InlineData("compressed")]
    [InlineData("versions")]
    public void What_NumPy_writes_is_read_bit_for_bit(string how)
    {
        var (archive, array) = (_folder.PathOf("a.npz"), _folder.PathOf("a.npy"));
        var lines = PythonPeer.Run("numpy", Make, archive, array, how).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        using var checkpoint = Checkpoint.Open(archive);
        Assert.Equal(CheckpointFormat.Npz, checkpoint.Format);
        var found = checkpoint.Tensors.Select(t => $"{t.Name}|{Code(t.Type)}|{string.Join('x', t.Shape)}|{Convert.ToHexStringLower(checkpoint.Read(t.Name))}");
        Assert.Equal(lines[1..], found);
        Assert.Equal(lines.Length - 1, int.Parse(lines[0], CultureInfo.InvariantCulture));

        using var single = Checkpoint.Open(array);
        Assert.Equal(CheckpointFormat.Npy, single.Format);
        Assert.Equal([2, 3, 4], single.Find("tensor").Shape);
        Assert.Equal(checkpoint.Read("f4be.3"), single.Read("tensor"));
    }

    [Fact]
    public void Objects_and_texts_are_values_that_are_named_and_never_unpickled()
    {
        PythonPeer.Run("numpy", Make, _folder.PathOf("a.npz"), _folder.PathOf("a.npy"), "compressed");
        using var checkpoint = Checkpoint.Open(_folder.PathOf("a.npz"));
        Assert.Equal(
            [
                "objects=<object array [2]>", "text=<text array [2]>", "raw=<text array [1]>", "z=<complex array [2]>",
                "pair=<structured array [3]>", "when=<time array [2]>", "brain=<untyped V2 array [2, 3]>",
            ],
            checkpoint.Values.Select(value => $"{value.Key}={value.Value}"));
        Assert.Contains("object elements", Error(NumpyFile.Array("'|O'", [1], "cos\nsystem\n(S'false'\ntR."u8.ToArray())), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Archives_are_told_from_their_content(bool compressed)
    {
        var file = NumpyFile.Archive(compressed, ("a", s_array), ("b/c", s_array));
        Assert.Equal(CheckpointFormat.Npz, Checkpoint.Identify(file, "memory"));
        using var checkpoint = Open(file);
        Assert.Equal(["a", "b/c"], checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal(s_numbers, checkpoint.Read("b/c"));
        using var npy = Open(s_array);
        Assert.Equal(s_numbers, npy.Read("tensor"));
        Assert.Contains("no key \"x\"", Assert.Throws<CheckpointException>(() => Checkpoint.Open(file, "memory", "x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_files_in_an_archive_are_named()
    {
        using var checkpoint = Open(TorchFile.Archive(new("a.npy", s_array), new("folder/", []), new("readme.txt", "hello"u8.ToArray())));
        Assert.Equal(["readme.txt=<file of 5 bytes>"], checkpoint.Values.Select(value => $"{value.Key}={value.Value}"));
    }

    [Fact]
    public void A_deflated_entry_is_inflated_once_however_it_is_read()
    {
        const int count = 5 << 20;
        var content = new byte[4 * count];
        new Random(1).NextBytes(content.AsSpan(0, 1000));
        using var checkpoint = Open(NumpyFile.Archive(true, ("a", NumpyFile.Array("'<i4'", [count], content)), ("b", s_array)));
        var tensor = checkpoint.Find("a");
        checkpoint.Read(tensor, 0, new byte[8]);
        var (before, part) = (GC.GetAllocatedBytesForCurrentThread(), new byte[1 << 16]);
        for (var at = 0; at < content.Length; at += part.Length) checkpoint.Read(tensor, at, part);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal(content, checkpoint.Read("a"));
        Assert.Equal(s_numbers, checkpoint.Read("b"));
        Assert.Equal(content, checkpoint.Read("a"));
    }

    [Fact]
    public void Several_threads_read_one_compressed_archive()
    {
        var arrays = Enumerable.Range(0, 8).Select(i => (Name: $"a{i}", Data: Enumerable.Repeat((byte)i, 40_000).ToArray())).ToArray();
        using var checkpoint = Open(NumpyFile.Archive(true, [.. arrays.Select(a => (a.Name, NumpyFile.Array("'|u1'", [40_000], a.Data)))]));
        Parallel.For(0, 200, i => Assert.Equal(arrays[i % 8].Data, checkpoint.Read(arrays[i % 8].Name)));

        // Each was inflated once: reading them in turn takes no memory.
        var (part, before) = (new byte[1000], GC.GetAllocatedBytesForCurrentThread());
        for (var i = 0; i < 200; i++) checkpoint.Read(checkpoint.Tensors[i % 8], 0, part);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 400_000);
    }

    [Fact]
    public void Verifying_finds_damage_wherever_it_is()
    {
        var damaged = NumpyFile.Deflated("b.npy", s_array) with { Crc = 1 };
        using var checkpoint = Open(TorchFile.Archive(new("a.npy", s_array), damaged));
        Assert.Contains("b.npy is damaged", Assert.Throws<CheckpointException>(checkpoint.Verify).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bombs_are_refused_before_memory_is_taken()
    {
        var zeros = NumpyFile.Deflated("a.npy", NumpyFile.Array("'|u1'", [1 << 20], new byte[1 << 20]));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("more than deflate can", Error(TorchFile.Archive(zeros with { Claimed = 2L << 20 })), StringComparison.Ordinal);
        Assert.Contains("claims two lengths", Error(TorchFile.Archive(new ZipPart("a.npy", s_array) { Claimed = 1L << 40, Wide = true })), StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);

        // An entry of more than the limit, with as many compressed bytes as its claim needs.
        var large = zeros with { Data = new byte[(CheckpointLimits.InflatedBytes / 1032) + 2], Claimed = CheckpointLimits.InflatedBytes + 1 };
        Assert.Contains("save it without compression", Error(TorchFile.Archive(large)), StringComparison.Ordinal);

        // One that inflates to more than it claims, or less.
        var honest = NumpyFile.Deflated("a.npy", s_array);
        Assert.Contains("bytes follow", Error(TorchFile.Archive(honest with { Claimed = s_array.Length + 4 })), StringComparison.Ordinal);
        var longer = NumpyFile.Deflated("a.npy", [.. s_array, 0]) with { Claimed = s_array.Length };
        Assert.Contains("inflates to more than", ReadError(TorchFile.Archive(longer)), StringComparison.Ordinal);
        var shorter = NumpyFile.Deflated("a.npy", s_array[..^1]) with { Claimed = s_array.Length };
        Assert.Contains("less than it claims", ReadError(TorchFile.Archive(shorter)), StringComparison.Ordinal);
    }

    [Fact]
    public void Damage_is_found_by_checksums_and_by_deflate()
    {
        var honest = NumpyFile.Deflated("a.npy", s_array);
        Assert.Contains("CRC-32", ReadError(TorchFile.Archive(honest with { Crc = 1 })), StringComparison.Ordinal);
        Assert.Contains("CRC-32", ReadError(TorchFile.Archive(new ZipPart("a.npy", s_array) { Crc = 1 })), StringComparison.Ordinal);
        Assert.Contains("break the rules", Error(TorchFile.Archive(honest with { Data = [0x07, .. honest.Data[1..]] })), StringComparison.Ordinal);
        Assert.Contains("compressed (method 12)", Error(TorchFile.Archive(honest with { Method = 12 })), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", null)]
    [InlineData("{\"descr\": \"<f4\", 'shape': (2L, 3L,), 'fortran_order': False}  ", null)]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", "does not hold")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}", "does not hold")]
    [InlineData("{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}", "does not hold")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}", "does not hold")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'shape': (2, 3)}", "a key twice")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}", "no plain Python literal at character 54")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} + {}", "no plain Python literal")]
    [InlineData("{'descr': exit(), 'fortran_order': False, 'shape': (2, 3)}", "no plain Python literal at character 10")]
    [InlineData("{'descr': '<f4, 'fortran_order': False, 'shape': (2, 3)}", "no plain Python literal")]
    [InlineData("{'descr': '<f4", "a text without an end")]
    [InlineData("{'descr': [[[[[[[[[[[[[[[[[[[[", "nests deeper than 16")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "more than 64 bits")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "larger than 64 bits")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}", "cut short")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", "bytes follow the array")]
    [InlineData("{'descr': '|f4', 'fortran_order': False, 'shape': (2, 3)}", "f4 elements")]
    public void Headers_are_parsed_strictly(string header, string? expected)
    {
        var file = NumpyFile.Array(header, s_numbers);
        if (expected is null)
        {
            using var checkpoint = Open(file);
            Assert.Equal(s_numbers, checkpoint.Read("tensor"));
            Assert.Equal([2, 3], checkpoint.Tensors[0].Shape);
            return;
        }

        Assert.Contains(expected, Error(file), StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_headers_are_refused()
    {
        Assert.Contains("version 4.0", Error(NumpyFile.Array("'<f4'", [2, 3], s_numbers, version: 4)), StringComparison.Ordinal);
        var claims = NumpyFile.Array("'<f4'", [2, 3], s_numbers, version: 2);
        claims[11] = 0x7f;
        Assert.Contains("the limit is 1048576", Error(claims), StringComparison.Ordinal);
        Assert.Contains("cut short", Error(s_array[..40]), StringComparison.Ordinal);
        Assert.Contains("no NumPy array", Error(NumpyFile.Archive(false, ("a", new byte[40]))), StringComparison.Ordinal);
        Assert.Contains("65 dimensions", Error(NumpyFile.Array("'<f4'", [.. Enumerable.Repeat(1L, 65)], new byte[4])), StringComparison.Ordinal);
    }

    private static string Code(TensorType type) => type switch
    {
        TensorType.Float64 or TensorType.Float32 or TensorType.Float16 => $"f{type.Size()}",
        TensorType.Bool => "b1",
        _ => $"{(type.ToString()[0] == 'U' ? 'u' : 'i')}{type.Size()}",
    };

    private static Checkpoint Open(byte[] bytes) => Checkpoint.Open(bytes, "memory");

    private static string Error(byte[] bytes) => OneLine(Assert.Throws<CheckpointException>(() => Open(bytes).Dispose()).Message);

    private static string ReadError(byte[] bytes)
    {
        using var checkpoint = Open(bytes);
        return OneLine(Assert.Throws<CheckpointException>(() => checkpoint.Read("a")).Message);
    }

    private static string OneLine(string message)
    {
        Assert.StartsWith("memory: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
