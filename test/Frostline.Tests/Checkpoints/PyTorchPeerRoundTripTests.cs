using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>There and back between Python's torch and Frostline, bit for bit.</summary>
public sealed class PyTorchPeerRoundTripTests : IDisposable
{
    private const string Prelude =
        """
        import sys, zipfile, collections, torch
        widths = {torch.float64: torch.int64, torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}
        def bits(t):
            t = t.detach().contiguous()
            return (t.view(widths[t.dtype]) if t.dtype in widths else t).reshape(-1).numpy().tobytes().hex()

        """;

    private const string Print =
        Prelude + """
        state = torch.load(sys.argv[1], weights_only=True)
        assert type(state) is collections.OrderedDict
        for name, t in state.items():
            assert t.is_contiguous() and not t.requires_grad
            print(name, str(t.dtype)[6:], "x".join(map(str, t.shape)), bits(t), sep="|")
        """;

    private const string Make =
        Prelude + """
        torch.manual_seed(3)
        base = torch.randn(6, 8)
        state = collections.OrderedDict([
            ("strided.t", base.t()), ("strided.columns", base[:, 1::3]), ("strided.expanded", torch.randn(3, 1).expand(3, 4)),
            ("shared.a", base), ("shared.b", base[2:4]), ("shared.c", base.view(-1)[5:9]),
            ("empty.a", torch.zeros(0)), ("empty.b", torch.zeros(2, 0, 3)), ("scalar.f", torch.tensor(2.5)), ("scalar.i", torch.tensor(-7)),
            ("half", torch.randn(5).half()), ("brain", torch.randn(2, 3).bfloat16()), ("flags", torch.tensor([True, False, True])),
            ("odd", torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0])), ("parameter", torch.nn.Parameter(torch.randn(2, 2))),
            ("bytes", torch.arange(7, dtype=torch.uint8)), ("wide", torch.tensor([2**62 + 1, -2**63])), ("double", torch.randn(3).double()),
            ("short", torch.arange(4, dtype=torch.int16)), ("char", torch.tensor([-128, 127], dtype=torch.int8)), ("int", torch.tensor([-5], dtype=torch.int32))])
        torch.save(state, sys.argv[1], _use_new_zipfile_serialization=sys.argv[2] == "zip")
        """;

    private const string Compare =
        Prelude + """
        a, b = torch.load(sys.argv[1]), torch.load(sys.argv[2], weights_only=True)
        assert list(a) == list(b), (list(a), list(b))
        for name in a:
            assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape and bits(a[name]) == bits(b[name]), name
        print(len(a))
        """;

    private const string Layout =
        Prelude + """
        def entries(path):
            data, z = open(path, "rb").read(), zipfile.ZipFile(path)
            assert z.testzip() is None
            folder = z.namelist()[0].split("/")[0] + "/"
            return {i.filename[len(folder):]: (i, z.read(i)) for i in z.infolist()}, data
        def header(entry, data):
            i, at = entry[0], entry[0].header_offset
            return data[at:at + 26], i.flag_bits, i.date_time, i.create_version, i.extract_version, i.create_system, i.external_attr, i.CRC
        ours, our_data = entries(sys.argv[1])
        state = collections.OrderedDict((k, v) for k, v in torch.load(sys.argv[1], weights_only=True).items())
        torch.save(state, sys.argv[2])
        theirs, their_data = entries(sys.argv[2])
        for name in theirs:
            assert theirs[name][1] == ours[name][1], name
            assert header(theirs[name], their_data) == header(ours[name], our_data), name
        print(len(theirs), sorted(set(ours) - set(theirs)), theirs["data.pkl"][1] == ours["data.pkl"][1])
        """;

    // Debian's PyTorch 1.13 knows these; the unsigned ones and the 8-bit floats came later.
    private static readonly (TensorType Type, string Name)[] s_types =
    [
        (TensorType.Float64, "float64"), (TensorType.Float32, "float32"), (TensorType.Float16, "float16"), (TensorType.BFloat16, "bfloat16"),
        (TensorType.Int64, "int64"), (TensorType.Int32, "int32"), (TensorType.Int16, "int16"), (TensorType.Int8, "int8"),
        (TensorType.UInt8, "uint8"), (TensorType.Bool, "bool"),
    ];

    private static readonly long[][] s_shapes = [[], [7], [0, 3], [2, 3, 4], [1, 2, 1, 2, 3]];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Python_loads_every_type_and_shape_with_weights_only_bit_for_bit()
    {
        var (expected, tensors) = (new List<string>(), new List<TensorSource>());
        var random = new Random(5);
        foreach (var (type, name) in s_types)
        {
            foreach (var shape in s_shapes)
            {
                var info = new TensorInfo($"{name}.été.{shape.Length}", type, shape);
                var bytes = new byte[info.ByteCount];
                random.NextBytes(bytes);
                if (type == TensorType.Bool) bytes = Array.ConvertAll(bytes, b => (byte)(b & 1));
                tensors.Add(TensorSource.From(info, bytes));
                expected.Add($"{info.Name}|{name}|{string.Join('x', shape)}|{Convert.ToHexStringLower(bytes)}");
            }
        }

        PyTorchWriter.Write(_folder.PathOf("types.pth"), tensors);
        Assert.Equal(expected, Lines(PythonPeer.Run("torch", Print, _folder.PathOf("types.pth"))));
    }

    [Fact]
    public void Pickle_and_zip_headers_are_byte_for_byte_those_of_torch_save()
    {
        var tensors = new List<TensorSource>();
        long[][] shapes = [[], [3], [300, 2], [0, 3], [2, 1, 3, 1, 2], [70_000]];
        for (var i = 0; i < 1003; i++)
        {
            var info = new TensorInfo($"layer.{i}.weight", s_types[i % s_types.Length].Type, i < 60 ? shapes[i % shapes.Length] : [2]);
            tensors.Add(TensorSource.From(info, new byte[info.ByteCount]));
        }

        PyTorchWriter.Write(_folder.PathOf("ours.pth"), tensors);
        var output = PythonPeer.Run("torch", Layout, _folder.PathOf("ours.pth"), _folder.PathOf("theirs.pth"));
        Assert.Equal(["1005 ['.data/serialization_id', '.format_version', '.storage_alignment', 'byteorder'] True"], Lines(output));
    }

    [Theory]
    [InlineData("zip", CheckpointFormat.PyTorchZip)]
    [InlineData("legacy", CheckpointFormat.PyTorchLegacy)]
    public void From_Python_through_Frostline_to_Python_nothing_changes(string container, CheckpointFormat format)
    {
        var (first, second) = (_folder.PathOf("first.pth"), _folder.PathOf("second.pth"));
        PythonPeer.Run("torch", Make, first, container);
        using var checkpoint = Checkpoint.Open(first);
        Assert.Equal(format, checkpoint.Format);
        PyTorchWriter.Write(second, [.. checkpoint.Tensors.Select(tensor => TensorSource.From(checkpoint, tensor))]);
        Assert.Equal([checkpoint.Tensors.Count.ToString(CultureInfo.InvariantCulture)], Lines(PythonPeer.Run("torch", Compare, first, second)));
        using var again = Checkpoint.Open(second);
        Assert.Equal(checkpoint.ContentHash(), again.ContentHash());
    }

    private static string[] Lines(string text) => text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
}
