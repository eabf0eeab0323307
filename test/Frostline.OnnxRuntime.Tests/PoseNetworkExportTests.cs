using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Vision;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static Frostline.Testing.ImageInputs;
using static TorchSharp.torch;

namespace Frostline.OnnxRuntime.Tests;

[Collection(LibTorchCollection.Name)]
public sealed class PoseNetworkExportTests
{
    private static readonly HRNetLayout s_small = new(8) { FirstBlocks = 1, FirstWidth = 16, Modules = [1, 1, 1], Blocks = 1 };

    public static TheoryData<string, int> Networks => new(
        new[] { "posenet", "mobilenet", "baseline", "baseline on hrnet", "hrnet", "fami-pose", "fami-pose with information", "dc-pose" }
            .SelectMany(name => new[] { 17, 20 }.Select(opset => (name, opset))));

    [Theory]
    [MemberData(nameof(Networks))]
    public void Exported_networks_compute_the_same_for_any_batch(string name, int opset)
    {
        var (network, frames) = Create(name);
        using var owned = network;
        DeterministicFill.Fill(network);
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var staged = (IStagedNetwork)network;
        var images = DeterministicFill.Input("export", 2 * frames, 3, 64, 64);
        using var session = OnnxSession.Open(OnnxExport.Write(staged, Shapes(Named(images)), new OnnxExportOptions { Opset = opset }), 1);
        // Another batch than it was written for.
        foreach (var rows in new[] { 2 * frames, frames })
        {
            var image = Named(images.slice(0, 0, rows, 1).contiguous());
            var (expected, actual) = (StagedForward.Run(staged, image), OnnxSession.Run(session, image));
            Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
            Assert.InRange(FrozenPrefix.RelativeError(actual, expected), 0, 5e-5);
        }
    }

    [Fact]
    public void The_frozen_HRNet_of_a_FamiPose_is_computed_for_each_frame()
    {
        var (network, frames) = Create("fami-pose");
        using var owned = network;
        DeterministicFill.Fill(network);
        using var frozen = new FreezePlan().Freeze("hrnet.**").Apply(network, allowRandom: true);
        var prefix = FrozenPrefix.Find(frozen, null, out _)!;
        using var scope = NewDisposeScope();
        var images = Named(DeterministicFill.Input("frames", 2 * frames, 3, 64, 64));
        using var engine = new OnnxRuntimeEngine(prefix, Shapes(images), threads: 1);
        Assert.InRange(FrozenPrefix.RelativeError(engine, prefix.Plain(), images), 0, 1e-5);
        // Single frames, as the feature store asks for those that it lacks.
        var one = Named(images["image"].slice(0, 3, 4, 1).contiguous());
        Assert.InRange(FrozenPrefix.RelativeError(engine, prefix.Plain(), one), 0, 1e-5);
    }

    [Theory]
    [InlineData(1, false, new long[] { 3, 3, 64, 64 }, new long[] { 1, 2, 16, 16 })]
    [InlineData(5, false, new long[] { 15, 3, 64, 64 }, new long[] { 5, 2, 16, 16 })]
    [InlineData(1, true, new long[] { -1, 3, 64, 64 }, new long[] { -1, 2, 16, 16 })]
    public void Exporting_a_recipe_counts_samples_where_a_sample_has_several_rows(int batch, bool dynamic, long[] inputs, long[] outputs)
    {
        var registry = new Registry().Add(new TrainingExtension()).Add(new VisionExtension());
        registry.Datasets.Register<NoOptions>("frames", "made up", (_, _) => new Clip());
        var recipe = Recipe.Parse(
            """
            version: 1
            model: { name: fami-pose, width: 8, joints: 2, supports: 2, input-height: 64, input-width: 64 }
            data: { train: frames, workers: 1 }
            train: { epochs: 1 }
            """,
            "test.yaml", ".", registry);
        using var folder = new TemporaryFolder();
        var (model, path) = (Path.Combine(folder.Path, "model.safetensors"), Path.Combine(folder.Path, "model.onnx"));
        using (var network = DeterministicFill.Fill(recipe.Model.Create(new BuildContext { Folder = "." }))) ModelFile.Save(network, model);
        var result = new ExportJob(recipe, registry, model, new ExportOptions { Output = path, Batch = batch, DynamicBatch = dynamic }).Run((bytes, given) =>
        {
            using var session = OnnxSession.Open(bytes, 1);
            return OnnxSession.Run(session, given);
        });
        Assert.Equal(inputs, result.Inputs["image"]);
        Assert.Equal(outputs, result.Outputs["heatmaps"]);
        Assert.InRange(result.RelativeError, 0, 5e-5);
        Assert.True(File.Exists(path));
    }

    private sealed class Clip : IDataset
    {
        public int Count => 4;

        public ClassMap? Classes => null;

        public IReadOnlyList<int> LabelsOf(int index) => [];

        public string SourceOf(int index) => $"frame {index}";

        public Sample Read(int index)
        {
            var sample = new Sample { Source = SourceOf(index) };
            sample.Set("image", SampleTensor.Of(DeterministicFill.Values($"input:{index}", 3, 3, 64, 64), 3, 3, 64, 64) with { IsRows = true });
            return sample;
        }
    }

    private static (nn.Module Network, int Frames) Create(string name) => name switch
    {
        "posenet" => (new PoseNet(0.25, joints: 5), 1),
        "mobilenet" => (new MobileNetV1(0.25, classes: 5), 1),
        "baseline" => (new SimpleBaseline(new SqueezeNet(SqueezeNetVersion.V1_1), joints: 3, widths: [8, 8]), 1),
        "baseline on hrnet" => (new SimpleBaseline(new HRNet(s_small), joints: 3, widths: [8], map: "stage2.1"), 1),
        "hrnet" => (new HRNetPose(s_small, joints: 3), 1),
        "dc-pose" => (new DcPose(new DcPoseLayout(s_small) { Joints = 3, Dilations = [1, 3] }), 3),
        _ => (new FamiPose(new FamiPoseLayout(s_small) { Joints = 3, Supports = 2, Height = 64, Width = 64, Information = name.EndsWith("information", StringComparison.Ordinal) }), 3),
    };
}
