using System.Runtime.InteropServices;
using Frostline.Checkpoints;

namespace Frostline.Testing.Checkpoints;

/// <summary>The samples of all formats, each of a few tensors and, where the format has them, values beside them.</summary>
public static class CheckpointSamples
{
    private static readonly byte[] s_numbers = MemoryMarshal.AsBytes<float>([1, 2, 3, 4, 5, 6]).ToArray();

    private static readonly TarStorage s_tarStorage = new(7, "Float", 4, s_numbers);

    /// <summary>One sample a format at the least.</summary>
    public static IReadOnlyList<CheckpointSample> All { get; } =
    [
        new("safetensors", CheckpointFormat.Safetensors, Safetensors()),
        new("pytorch-zip", CheckpointFormat.PyTorchZip, Zip(Pickler.Bytes(State))),
        new("pytorch-zip-pickle", CheckpointFormat.PyTorchZip, Pickler.Bytes(State), Zip),
        new("pytorch-legacy", CheckpointFormat.PyTorchLegacy, Legacy(Pickler.Bytes(State))),
        new("pytorch-legacy-pickle", CheckpointFormat.PyTorchLegacy, Pickler.Bytes(State), Legacy),
        new("safetensors-sharded", CheckpointFormat.SafetensorsSharded, ShardedIndex(), Siblings: Shards()),
        new("pytorch-tar", CheckpointFormat.PyTorchTar, Tar(TarFile.Storages([s_tarStorage], [(8, 7, 2, 4)]))),
        new("pytorch-tar-storages", CheckpointFormat.PyTorchTar, TarFile.Storages([s_tarStorage], [(8, 7, 2, 4)]), Tar),
        new("torchscript", CheckpointFormat.TorchScript, Script(Pickler.Bytes(Module))),
        new("torchscript-pickle", CheckpointFormat.TorchScript, Pickler.Bytes(Module), Script),
        // Without a signature only the sizes tell the format, so most of the sample is elements.
        new("torchsharp", CheckpointFormat.TorchSharp, TorchSharpFile.Module(("a.weight", TorchSharpFile.Tensor(6, [12, 100], new byte[4800])), ("a.bias", TorchSharpFile.Tensor(4, [2], new byte[16])))),
        new("npz", CheckpointFormat.Npz, Npz(NumpyFile.Array("'<f4'", [2, 3], s_numbers))),
        new("npz-compressed", CheckpointFormat.Npz, NumpyFile.Array("'>f4'", [2, 3], s_numbers, columnMajor: true), Npz),
        new("npy", CheckpointFormat.Npy, NumpyFile.Array("'<f4'", [2, 3], s_numbers, version: 2)),
        new("onnx", CheckpointFormat.Onnx, Onnx()),
        new("onnx-external", CheckpointFormat.Onnx, OnnxExternal(), Siblings: [("weights.bin", new byte[64])]),
    ];

    /// <summary>Finds a sample by its name.</summary>
    public static CheckpointSample Find(string name) => All.Single(sample => sample.Name == name);

    private static byte[] Safetensors()
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(
            stream,
            [
                TensorSource.From(new TensorInfo("a.weight", TensorType.Float32, [2, 3]), s_numbers),
                TensorSource.From(new TensorInfo("a.bias", TensorType.BFloat16, [2]), new byte[4]),
                TensorSource.From(new TensorInfo("a.count", TensorType.Int64, []), new byte[8]),
                TensorSource.From(new TensorInfo("a.mask", TensorType.Bool, [0, 4]), Array.Empty<byte>()),
            ],
            new Dictionary<string, string> { ["format"] = "pt" });
        return stream.ToArray();
    }

    private static byte[] ShardedIndex() => ShardedSet.Index(
        """{ "total_size": 36, "made": { "by": ["hand"] } }""",
        ("a.weight", "m-00001-of-00002.safetensors"), ("a.bias", "m-00002-of-00002.safetensors"), ("a.count", "m-00002-of-00002.safetensors"));

    private static (string Name, byte[] Bytes)[] Shards() =>
    [
        ("m-00001-of-00002.safetensors", ShardedSet.Shard(null, TensorSource.From(new("a.weight", TensorType.Float32, [2, 3]), s_numbers))),
        ("m-00002-of-00002.safetensors", ShardedSet.Shard(
            new Dictionary<string, string> { ["format"] = "pt" },
            TensorSource.From(new TensorInfo("a.bias", TensorType.BFloat16, [2]), new byte[4]),
            TensorSource.From(new TensorInfo("a.count", TensorType.Int64, []), new byte[8]))),
    ];

    private static byte[] Onnx() => OnnxFile.FromGraph(graph =>
    {
        graph.Message(1, OnnxFile.Node("Constant", "c", ("value", 5, OnnxFile.Tensor(new("", TensorType.Int64, [2]), new byte[16], OnnxLayout.Packed))));
        graph.Message(1, OnnxFile.Node("If", "choice", ("then_branch", 6, then => then.Text(2, "then"))));
        graph.Message(5, OnnxFile.Tensor(new("a.weight", TensorType.Float32, [2, 3]), s_numbers));
        graph.Message(5, OnnxFile.Tensor(new("a.scale", TensorType.Float32, [2, 3]), s_numbers, OnnxLayout.Packed));
        graph.Message(5, OnnxFile.Tensor(new("a.bias", TensorType.BFloat16, [3]), new byte[6], OnnxLayout.Mixed));
        graph.Message(5, OnnxFile.Tensor(new("a.count", TensorType.UInt32, []), [1, 2, 3, 4], OnnxLayout.Unpacked));
        graph.Message(5, words => words.Number(1, 1).Number(2, 8).Text(6, "word").Text(8, "words"));
        graph.Message(15, sparse => sparse.Message(1, values => values.Text(8, "sparse")));
    });

    private static byte[] OnnxExternal() => OnnxFile.Model(
        OnnxFile.External(new("a.weight", TensorType.Float32, [2, 3]), "weights.bin", 8),
        OnnxFile.External(new("a.bias", TensorType.Float64, [2]), "weights.bin", 32),
        OnnxFile.External(new("a.rest", TensorType.UInt8, [16]), ("location", "weights.bin"), ("offset", "48")));

    private static void State(Pickler pickler) => pickler.Dict(
        ("a.weight", Tensor("0", 6, 0, [2, 3], [3, 1])),
        ("a.bias", Tensor("1", 2, 0, [2], [1])),
        ("epoch", 3),
        ("rate", 0.5),
        ("history", new object[] { 1, "two", Array.Empty<object>() }));

    private static Action<Pickler> Tensor(string key, long count, long offset, long[] size, long[] stride) =>
        p => p.Tensor("FloatStorage", key, count, offset, size, stride);

    private static void Module(Pickler pickler) => pickler.Global("__torch__.net", "Net").Op(')').Op(0x81).Dict(
        ("weight", Tensor("0", 6, 0, [2, 3], [3, 1])),
        ("training", true),
        ("sizes", (Action<Pickler>)(p => p.Global("torch.jit._pickle", "build_intlist").Tuple((object)new object[] { 1, 2 }).Op('R'))),
        ("inner", (Action<Pickler>)(p => p.Global("__torch__.net", "Inner").Op(')').Op(0x81).Dict(("bias", Tensor("1", 2, 0, [2], [1]))).Op('b')))).Op('b');

    private static byte[] Script(byte[] pickle) => TorchFile.Script(pickle, ("0", s_numbers), ("1", new byte[8]));

    private static byte[] Tar(byte[] storages) => TarFile.Archive(
        ("pickle", Pickler.Bytes(p => p.Dict(("a", TarFile.Id(70)), ("b", TarFile.Id(71)), ("epoch", 3)))),
        ("tensors", TarFile.Tensors([new(70, 7, "Float", 0, [2, 3], [3, 1]), new(71, 8, "Float", 0, [2], [1])])), ("storages", storages));

    private static byte[] Npz(byte[] array) => TorchFile.Archive(
        NumpyFile.Deflated("a.npy", array), new ZipPart("b.npy", array), new ZipPart("c.npy", NumpyFile.Array("'|O'", [1], [0x80, 2, (byte)'N', (byte)'.'])));

    private static byte[] Zip(byte[] pickle) => TorchFile.Zip(pickle, ("0", s_numbers), ("1", new byte[8]));

    private static byte[] Legacy(byte[] pickle) => TorchFile.Legacy(pickle, ("0", 4, s_numbers), ("1", 4, new byte[8]));
}
