using System.Globalization;
using System.Runtime.InteropServices;
using CsCheck;
using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>What ONNX models hold.</summary>
public sealed class OnnxTests
{
    private static readonly Gen<(TensorInfo Info, byte[] Bytes, OnnxLayout Layout, bool IsConstant)[]> s_tensors =
        (from name in Gen.String[Gen.Char["ab./é姿"], 1, 5]
         from type in Gen.Enum<TensorType>()
         from shape in Gen.Long[0, 5].Array[0, 4]
         from layout in Gen.Enum<OnnxLayout>()
         from isConstant in Gen.Bool
         let info = new TensorInfo(name, type, shape)
         from bytes in Gen.Byte.Array[(int)info.ByteCount]
         select (info, type == TensorType.Bool ? [.. bytes.Select(b => (byte)(b & 1))] : bytes, layout, isConstant))
        .Array[0, 8].Select(tensors => tensors.DistinctBy(t => t.Item1.Name).ToArray());

    [Fact]
    public void Tensors_of_every_type_in_every_layout_are_read() =>
        s_tensors.Holds(
            tensors =>
            {
                using var checkpoint = Open(OnnxFile.FromGraph(graph =>
                {
                    foreach (var (info, bytes, layout, isConstant) in tensors)
                    {
                        var unnamed = OnnxFile.Tensor(info with { Name = "" }, bytes, layout);
                        if (isConstant) graph.Message(1, OnnxFile.Node("Constant", info.Name, ("value", 5, unnamed)));
                        else graph.Message(5, OnnxFile.Tensor(info, bytes, layout));
                    }
                }));
                Assert.Equal(CheckpointFormat.Onnx, checkpoint.Format);
                Assert.Equal(tensors.OrderBy(t => t.IsConstant).Select(t => t.Info.Name), checkpoint.Tensors.Select(t => t.Name));
                foreach (var (info, bytes, _, _) in tensors)
                {
                    var found = checkpoint.Find(info.Name);
                    Assert.Equal((info.Type, info.ShapeText), (found.Type, found.ShapeText));
                    Assert.Equal(bytes, checkpoint.Read(info.Name));
                }
            },
            samples: 1000);

    [Theory]
    [InlineData(OnnxLayout.Packed)]
    [InlineData(OnnxLayout.Unpacked)]
    [InlineData(OnnxLayout.Mixed)]
    public void Long_typed_data_are_read_from_any_place(OnnxLayout layout)
    {
        var numbers = Enumerable.Range(0, 300_000).Select(i => (long)i * i * (i % 2 == 0 ? 1 : -1)).ToArray();
        var info = new TensorInfo("n", TensorType.Int64, [300, 1000]);
        var file = OnnxFile.Model(OnnxFile.Tensor(info, MemoryMarshal.AsBytes<long>(numbers).ToArray(), layout));
        using var memory = Open(file);
        using var stream = Checkpoint.Open(new MemoryStream(file), "stream");
        foreach (var checkpoint in (Checkpoint[])[memory, stream])
        {
            // Parts of a megabyte: they begin within the pieces whose positions are known.
            using var copy = new MemoryStream();
            checkpoint.CopyTo(info, copy);
            Assert.Equal(numbers, MemoryMarshal.Cast<byte, long>(copy.ToArray()).ToArray());
            var part = new byte[8 * 5];
            foreach (var at in (int[])[0, 1, 4095, 4096, 4097, 123_456, 299_995])
            {
                checkpoint.Read(info, at * 8L, part);
                Assert.Equal(numbers[at..(at + 5)], MemoryMarshal.Cast<byte, long>(part).ToArray());
            }
        }
    }

    [Fact]
    public void Packed_sizes_and_the_facts_of_the_model_are_read()
    {
        using var checkpoint = Open(Proto.Bytes(model => model
            .Number(1, 9).Text(2, "maker").Text(3, "2.1").Text(4, "org.example").Number(5, 3).Text(6, "a description")
            .Message(7, graph => graph.Message(5, t => t.Data(1, 2, 1).Number(2, 2).Text(8, "t").Data(9, 7, 8)))
            .Message(8, set => set.Number(2, 17)).Message(8, set => set.Text(1, "ai.onnx.ml").Number(2, 3))
            .Message(14, entry => entry.Text(1, "names").Text(2, "{0: 'cat'}")).Message(14, entry => entry.Text(1, "opset").Text(2, "mine"))
            .Number(99, 1)));
        Assert.Equal("[2, 1]", Assert.Single(checkpoint.Tensors).ShapeText);
        Assert.Equal(
            [
                new("domain", "org.example"), new("ir_version", "9"), new("metadata_props.opset", "mine"), new("model_version", "3"),
                new("names", "{0: 'cat'}"), new("opset", "17"), new("opset.ai.onnx.ml", "3"), new("producer_name", "maker"),
                new("producer_version", "2.1"),
            ],
            checkpoint.Metadata);
    }

    [Fact]
    public void Only_the_value_of_a_Constant_node_is_a_tensor_and_graphs_in_nodes_are_named()
    {
        static Action<Proto> Tensor(byte value) => OnnxFile.Tensor(new TensorInfo("inner", TensorType.UInt8, [1]), [value]);
        using var checkpoint = Open(OnnxFile.FromGraph(graph => graph
            .Message(1, OnnxFile.Node("Constant", "constant", ("other", 5, Tensor(1)), ("value", 5, Tensor(2))))
            .Message(1, OnnxFile.Node("ConstantOfShape", "shape", ("value", 5, Tensor(3))))
            .Message(1, node => OnnxFile.Node("Constant", "foreign", ("value", 5, Tensor(4)))(node.Text(7, "com.example")))
            .Message(1, node => OnnxFile.Node("Constant", "own", ("value", 5, Tensor(5)))(node.Text(7, "ai.onnx")))
            .Message(1, OnnxFile.Node(
                "If", "choice", ("then_branch", 6, g => g.Message(5, Tensor(6))), ("else_branch", 6, g => g.Message(5, Tensor(7)))))));
        Assert.Equal(["constant", "own"], checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal([2], checkpoint.Read("constant"));
        Assert.Equal([new("choice/then_branch", "<graph>"), new("choice/else_branch", "<graph>")], checkpoint.Values);
    }

    [Fact]
    public void What_Frostline_has_no_type_for_is_named_and_the_file_still_opens()
    {
        Action<Proto> Of(int type) => t => t.Number(1, 3).Number(2, type).Text(8, $"t{type}").Data(9, 1, 2, 3);
        int[] types = [0, 8, 14, 15, 18, 20, 21, 22, 23, 24, 25, 26, 77];
        using var checkpoint = Open(OnnxFile.FromGraph(graph =>
        {
            foreach (var type in types) graph.Message(5, Of(type));
            graph.Message(5, Of(2));
            graph.Message(5, t => Of(3)(t.Message(3, segment => segment.Number(1, 0).Number(2, 9))));
            graph.Message(15, s => s.Message(1, t => t.Number(2, 1).Text(8, "sparse")).Message(2, Of(7)).Number(3, 9));
        }));
        Assert.Equal("t2", Assert.Single(checkpoint.Tensors).Name);
        Assert.Equal(
            [
                "sparse <sparse tensor>", "t0 <undefined tensor>", "t14 <complex64 tensor>", "t15 <complex128 tensor>",
                "t18 <float8e4m3fnuz tensor>", "t20 <float8e5m2fnuz tensor>", "t21 <uint4 tensor>", "t22 <int4 tensor>",
                "t23 <float4e2m1 tensor>", "t24 <float8e8m0 tensor>", "t25 <uint2 tensor>", "t26 <int2 tensor>", "t3 <part of a tensor>", "t77 <tensor of type 77>", "t8 <string tensor>",
            ],
            checkpoint.Values.Select(value => $"{value.Key} {value.Value}").Order(StringComparer.Ordinal));
        Refused(() => Open(OnnxFile.Model(Of(8))), "no tensors that can be read; the first of 1 values is \"t8\": <string tensor>");
        using var empty = Open(OnnxFile.Model());
        Assert.Empty(empty.Tensors);
        Refused(() => Checkpoint.Open(OnnxFile.Model(), "memory", "model"), "leave it out");
    }

    public static TheoryData<string, Action<Proto>, string> BrokenTensors { get; } = new()
    {
        { "no name", t => t.Number(1, 1).Number(2, 2).Data(9, 1), "without a name" },
        { "size", t => t.Text(8, "t").Number(1, -1).Number(2, 2), "\"t\" has the size -1" },
        { "rank", t => t.Data(1, new byte[65]).Number(2, 2).Text(8, "t"), "more than 64 dimensions" },
        { "overflow", t => t.Number(1, 1L << 40).Number(1, 1L << 40).Number(2, 2).Text(8, "t"), "larger than 64 bits" },
        { "short", t => t.Number(1, 3).Number(2, 2).Text(8, "t").Data(9, 1, 2), "needs 3 bytes, its raw_data has 2" },
        { "long", t => t.Number(1, 3).Number(2, 2).Text(8, "t").Data(9, 1, 2, 3, 4), "needs 3 bytes, its raw_data has 4" },
        { "none", t => t.Number(1, 3).Number(2, 2).Text(8, "t"), "exported without its parameters" },
        { "both", t => t.Number(1, 1).Number(2, 2).Text(8, "t").Data(9, 1).Data(5, 1), "has raw_data and int32_data" },
        { "field", t => t.Number(1, 1).Number(2, 7).Text(8, "t").Data(5, 1), "has int32_data instead of int64_data" },
        { "count", t => t.Number(1, 3).Number(2, 7).Text(8, "t").Data(7, 1, 1), "has 3 elements, its int64_data has 2" },
        { "float", t => t.Number(1, 1).Number(2, 1).Text(8, "t").Data(4, 1, 2, 3), "no multiple of 4" },
        { "varint", t => t.Number(1, 1).Number(2, 7).Text(8, "t").Data(7, 0x80), "do not end with a whole one" },
        { "endless", t => t.Number(1, 1).Number(2, 7).Text(8, "t").Data(7, Enumerable.Repeat((byte)0x80, 20).ToArray()), "does not end" },
        { "wire", t => t.Number(1, 1).Number(2, 7).Text(8, "t").Tag(7, 5).Raw(1, 2, 3, 4), "of the wrong kind" },
        { "name", t => t.Number(1, 1).Number(2, 2).Data(8, 0xff).Data(9, 1), "not UTF-8" },
        { "group", t => t.Tag(50, 3), "there is no field" },
        { "zero", t => t.Raw(0), "there is no field" },
        { "claim", t => t.Text(8, "t").Tag(9, 2).Varint(1UL << 40), "claims 1099511627776 bytes, but" },
        { "fixed", t => t.Tag(50, 1).Raw(1, 2), "are missing" },
    };

    [Theory]
    [MemberData(nameof(BrokenTensors))]
    public void A_broken_tensor_is_refused_with_what_is_wrong(string name, Action<Proto> tensor, string expected)
    {
        Assert.NotEmpty(name);
        Refused(() => Open(OnnxFile.Model(tensor)), expected);
    }

    [Fact]
    public void Names_are_distinct_and_a_graph_is_needed()
    {
        var tensor = OnnxFile.Tensor(new TensorInfo("a\nb", TensorType.UInt8, [1]), [1]);
        Refused(() => Open(OnnxFile.Model(tensor, tensor)), "two tensors are called \"a b\"");
        var context = Proto.Bytes(model => model.Number(1, 8).Text(2, "maker"));
        Refused(() => Open(context), "not a checkpoint");
        Refused(() => Open(OnnxFile.Model(tensor)[..^20]), "cut short");
    }

    [Theory]
    [InlineData(TensorType.UInt8, 256)]
    [InlineData(TensorType.UInt8, -1)]
    [InlineData(TensorType.Int8, 128)]
    [InlineData(TensorType.Int16, -32769)]
    [InlineData(TensorType.Float16, 65536)]
    [InlineData(TensorType.Float8E5M2, 256)]
    [InlineData(TensorType.Bool, 2)]
    [InlineData(TensorType.UInt32, 1L << 32)]
    public void A_number_beyond_its_type_is_refused_when_it_is_read(TensorType type, long number)
    {
        var field = type == TensorType.UInt32 ? 11 : 5;
        using var checkpoint = Open(OnnxFile.Model(t => t.Number(1, 1).Number(2, OnnxFile.NumberOf(type)).Text(8, "t").Number(field, number)));
        Refused(checkpoint.Verify, "which is no");
        Refused(() => checkpoint.Read("t"), string.Create(CultureInfo.InvariantCulture, $"\"t\" holds {number} at 0, which is no {type}"));
    }

    [Fact]
    public void Nothing_is_allocated_for_what_a_file_only_claims()
    {
        byte[][] files =
        [
            OnnxFile.Model(t => t.Number(1, 1L << 40).Number(2, 2).Text(8, "t").Data(9, 1)),
            OnnxFile.Model(t => t.Number(1, 1L << 40).Number(2, 7).Text(8, "t").Data(7, 1)),
            OnnxFile.Model(t => t.Tag(8, 2).Varint(1UL << 31)),
            [.. OnnxFile.Model(), .. Proto.Bytes(model => model.Tag(2, 2).Varint(ulong.MaxValue))],
        ];
        foreach (var file in files)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Throws<CheckpointException>(() => Open(file));
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        }
    }

    [Fact]
    public void Many_tiny_tensors_take_memory_in_proportion()
    {
        // Twelve bytes each, of no type.
        var file = OnnxFile.Model(Enumerable.Range(0, 100_000).Select(i => (Action<Proto>)(t => t.Text(8, $"{i:D8}"))));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused(() => Open(file), "no tensors that can be read; the first of 100000");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 40L << 20);
    }

    [Fact]
    public void Numbers_scattered_over_a_million_places_are_refused()
    {
        // Every other one is packed, so that no two are neighbours.
        Span<byte> pair = [(7 << 3) | 2, 1, 1, 7 << 3, 1];
        var data = new byte[pair.Length * 500_001];
        for (var i = 0; i < data.Length; i += pair.Length) pair.CopyTo(data.AsSpan(i));
        Refused(() => Open(OnnxFile.Model(t => t.Number(1, 1_000_002).Number(2, 7).Text(8, "t").Raw(data))), "more than 1000000 places");
    }

    [Fact]
    public void Nesting_costs_no_depth()
    {
        byte[] graph = [];
        for (var i = 0; i < 2000; i++)
        {
            var inner = graph;
            graph = Proto.Bytes(g => g.Message(1, node => node.Text(2, "o").Message(5, attribute => attribute.Text(1, "body").Data(6, inner))));
        }

        var tensor = OnnxFile.Tensor(new TensorInfo("t", TensorType.UInt8, [1]), [1]);
        using var checkpoint = Open(OnnxFile.FromGraph(g => g.Raw(graph).Message(5, tensor)));
        Assert.Equal("o/body", Assert.Single(checkpoint.Values).Key);
    }

    [Fact]
    public void Opening_leaves_the_data_where_they_are()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("large.bin");
        const long size = 256 << 20;
        var head = Proto.Bytes(t => t.Number(1, size).Number(2, 2).Text(8, "t").Tag(9, 2).Varint(size));
        var tensor = Proto.Bytes(g => g.Tag(5, 2).Varint((ulong)(head.Length + size)).Raw(head));
        using (var file = File.Create(path))
        {
            file.Write(Proto.Bytes(model => model.Number(1, 8).Tag(7, 2).Varint((ulong)(tensor.Length + size)).Raw(tensor)));
            file.SetLength(file.Length + size);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        using (var checkpoint = Checkpoint.Open(path)) Assert.Equal(size, Assert.Single(checkpoint.Tensors).ByteCount);
        Assert.True(watch.ElapsedMilliseconds < 500);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void A_model_is_told_by_its_content_whatever_the_order_of_its_fields()
    {
        var graph = Proto.Bytes(g => g.Text(2, "graph").Message(5, OnnxFile.Tensor(new TensorInfo("t", TensorType.UInt8, [1]), [1])));
        foreach (var model in (byte[][])
        [
            Proto.Bytes(m => m.Data(7, graph).Number(1, 8)),
            Proto.Bytes(m => m.Message(8, set => set.Number(2, 17)).Message(14, p => p.Text(1, "a")).Number(1, 3).Data(7, graph)),
            Proto.Bytes(m => m
                .Number(1, 13).Text(6, "text").Number(5, 1).Message(25, f => f.Text(1, "f")).Message(8, set => set.Text(1, "x")).Data(7, graph)),
        ])
        {
            Assert.Equal(CheckpointFormat.Onnx, Checkpoint.Identify(model, "memory"));
            using var checkpoint = Open(model);
            Assert.Equal([1], checkpoint.Read("t"));
        }
    }

    [Fact]
    public void Other_files_are_not_taken_for_models()
    {
        byte[][] others =
        [
            "<!DOCTYPE html><html></html>"u8.ToArray(),
            "version https://git-lfs.github.com/spec/v1\n"u8.ToArray(),
            "resnet: [1, 2, 3]\n"u8.ToArray(),
            ":\n:\n"u8.ToArray(),
            "2\u0008\u0008:\u0004"u8.ToArray(),
            Pickler.Bytes(p => p.Dict(("a", 1L))),
            [0x1f, 0x8b, 8, 0],
            [8],
            [8, 8],
            [8, 8, 0x3a],
            [8, 8, 0x3a, 0],
            // TensorFlow's SavedModel and Core ML: a version, then messages of other numbers.
            Proto.Bytes(m => m.Number(1, 1).Message(2, g => g.Message(1, i => i.Text(5, "tag")).Message(2, i => i.Text(1, "x")))),
            Proto.Bytes(m => m.Number(1, 4).Message(2, d => d.Message(1, i => i.Text(1, "in"))).Message(500, n => n.Message(1, l => l.Text(1, "x")))),
            // TorchSharp's own format: how many tensors, then a name, a type, a rank, sizes and bytes.
            [8, 11, .. "conv.weight"u8, 6, 1, 2, 0, 0, 128, 63, 0, 0, 0, 64],
        ];
        Assert.All(others, other => Assert.False(OnnxSignature.Matches(new ArrayBytes("other", other)), Convert.ToHexString(other)));
        foreach (var sample in CheckpointSamples.All.Where(sample => sample.Format != CheckpointFormat.Onnx))
            Assert.False(OnnxSignature.Matches(new ArrayBytes("other", sample.File(sample.Content))), sample.Name);
        var random = new Random(5);
        var bytes = new byte[300];
        var taken = 0;
        for (var i = 0; i < 200_000; i++)
        {
            random.NextBytes(bytes);
            // A version to begin with, or hardly any would come further.
            if (i % 2 == 0) (bytes[0], bytes[1]) = (8, 8);
            if (OnnxSignature.Matches(new ArrayBytes("random", bytes))) taken++;
        }

        Assert.InRange(taken, 0, 20);
    }

    private static Checkpoint Open(byte[] file) => Checkpoint.Open(file, "memory");

    private static void Refused(Action action, string expected)
    {
        var error = Assert.Throws<CheckpointException>(action);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
