using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static Frostline.Testing.ImageInputs;
using static TorchSharp.torch;

namespace Frostline.OnnxRuntime.Tests;

[Collection(LibTorchCollection.Name)]
public sealed class OnnxRuntimeEngineTests
{
    public static TheoryData<string, int> Bodies => new(OperationBodies.Names.SelectMany(name => new[] { 17, 18, 19, 23 }.Select(opset => (name, opset))));

    public static TheoryData<string, string> Networks => new()
    {
        { "resnet18", "fc" }, { "resnet50", "layer4 | fc" }, { "cifar20", "linear" }, { "squeezenet1.0", "classifier" }, { "squeezenet1.1", "classifier" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public void Every_operation_computes_in_ONNX_Runtime_what_libtorch_computes(string body, int opset)
    {
        using var network = new BodyNetwork(OperationBodies.Of(body));
        network.to(float32);
        using var scope = NewDisposeScope();
        var input = randn(3, 6, 9, 8);
        using var session = OnnxSession.Open(OnnxExport.Write(network, Shapes(Named(input)), new OnnxExportOptions { Opset = opset }), 1);
        // Another batch than it was written for.
        foreach (var x in new[] { input, input.slice(0, 0, 1, 1) })
        {
            var expected = StagedForward.Run(network, Named(x))["out"].detach();
            var actual = OnnxSession.Run(session, Named(x))["out"];
            Assert.Equal(expected.shape, actual.shape);
            Assert.Equal(0, ((actual - expected).abs().max() / (expected.std() + tensor(1e-3f))).item<float>(), 1e-5f);
        }
    }

    public static TheoryData<string, int> Deformables => new(DeformableNetwork.Names.SelectMany(name => new[] { 17, 18, 19, 22, 23 }.Select(opset => (name, opset))));

    [Theory]
    [MemberData(nameof(Deformables))]
    public void Deformable_convolutions_compute_the_same_also_far_out_of_the_map(string name, int opset)
    {
        using var network = DeformableNetwork.Of(name, float32);
        using var scope = NewDisposeScope();
        var read = network.Draw(3, float32);
        using var session = OnnxSession.Open(OnnxExport.Write(network, Shapes(read), new OnnxExportOptions { Opset = opset }), 1);
        // Another batch than it was written for.
        foreach (var inputs in new[] { read, read.ToDictionary(input => input.Key, input => input.Value.slice(0, 1, 2, 1)) })
        {
            var expected = StagedForward.Run(network, inputs)["out"].detach();
            var actual = OnnxSession.Run(session, inputs)["out"];
            Assert.Equal(expected.shape, actual.shape);
            Assert.InRange(((actual - expected).abs().max() / expected.std()).item<float>(), 0, 2e-5f);
        }
    }

    [Theory]
    [MemberData(nameof(Networks))]
    public void The_prefix_of_a_network_agrees_with_the_network(string name, string trained)
    {
        using var network = Create(name);
        DeterministicFill.Fill(network);
        using var frozen = new FreezePlan().Freeze($"!({trained})").Apply(network, allowRandom: true);
        var prefix = FrozenPrefix.Find(frozen, null, out _)!;
        using var scope = NewDisposeScope();
        var inputs = Named(DeterministicFill.Input("prefix", 2, 3, 64, 64));
        using var engine = new OnnxRuntimeEngine(prefix, Shapes(inputs), threads: 2);
        Assert.Equal("onnxruntime", engine.Name);
        Assert.InRange(FrozenPrefix.RelativeError(engine, prefix.Plain(), inputs), 0, 5e-6);
        // A slice, whose rows do not lie behind each other, and another size.
        var odd = Named(DeterministicFill.Input("odd", 3, 4, 72, 48).slice(1, 1, 4, 1));
        Assert.InRange(FrozenPrefix.RelativeError(engine, prefix.Plain(), odd), 0, 5e-6);
    }

    [Fact]
    public void Writing_a_model_takes_little_more_memory_than_its_bytes()
    {
        using var network = new ResNet(ResNetDepth.ResNet18, 5);
        network.eval();
        var shapes = new Dictionary<string, IReadOnlyList<long>> { ["image"] = [1, 3, 64, 64] };
        OnnxExport.Write(network, shapes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var model = OnnxExport.Write(network, shapes);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, model.Length, model.Length * 1.1);
    }

    [Fact]
    public void A_fixed_batch_is_fixed_and_metadata_is_kept()
    {
        using var network = new BodyNetwork(OperationBodies.Of("residual"));
        network.to(float32);
        using var scope = NewDisposeScope();
        var input = randn(2, 6, 9, 8);
        var options = new OnnxExportOptions { DynamicBatch = false, Metadata = new Dictionary<string, string> { ["classes"] = "[\"ä\"]" } };
        var model = OnnxExport.Write(network, Shapes(Named(input)), options);
        using var session = OnnxSession.Open(model, 1);
        Assert.Equal([2, 6, 9, 8], session.InputMetadata["image"].Dimensions);
        Assert.Equal("[\"ä\"]", session.ModelMetadata.CustomMetadataMap["classes"]);
        Assert.Equal("Frostline", session.ModelMetadata.ProducerName);
        Assert.Contains("Got invalid dimensions", Assert.Throws<FrostlineException>(() => OnnxSession.Run(session, Named(randn(3, 6, 9, 8)))).Message);
        Assert.Contains("needs the input \"image\"", Assert.Throws<FrostlineException>(() => OnnxSession.Run(session, new Dictionary<string, Tensor>())).Message);
        // Frostline reads what it wrote: the folded weights are initialisers.
        using var checkpoint = Checkpoint.Open(model, "residual.onnx");
        Assert.Contains(checkpoint.Tensors, tensor => tensor.Shape.SequenceEqual([6L, 6, 3, 3]));
        Assert.Throws<FrostlineException>(() => OnnxSession.Open([1, 2, 3], 1));
        Assert.Contains("operator set 16", Assert.Throws<FrostlineException>(() => OnnxExport.Write(network, Shapes(Named(input)), new OnnxExportOptions { Opset = 16 })).Message);
    }

    private static nn.Module Create(string name) => name switch
    {
        "resnet18" => new ResNet(ResNetDepth.ResNet18, 5),
        "resnet50" => new ResNet(ResNetDepth.ResNet50, 5),
        "cifar20" => new CifarResNet(20, 5),
        "squeezenet1.0" => new SqueezeNet(SqueezeNetVersion.V1_0, 5),
        _ => new SqueezeNet(SqueezeNetVersion.V1_1, 5),
    };
}
