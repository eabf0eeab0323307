using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Registration;
using Frostline.Vision.Networks;
using Frostline.Vision.Tests.Jobs;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

[Collection(LibTorchCollection.Name)]
public sealed class SimpleBaselineTests
{
    /// <summary>Names, shapes and their order as in the published pose_resnet: the backbone's without fc, then the head's.</summary>
    [Fact]
    public void On_a_ResNet_it_has_the_published_names_and_size()
    {
        using var network = DeferredInitialization.Construct(() => new SimpleBaseline(new ResNet(ResNetDepth.ResNet50), joints: 17));
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf("golden/manifests/resnet50_manifest.json")));
        var expected = manifest.RootElement.EnumerateArray()
            .Select(entry => $"{entry[0]} [{string.Join(", ", entry[1].EnumerateArray())}]").Where(text => !text.StartsWith("fc.", StringComparison.Ordinal)).ToList();
        foreach (var (i, inputs) in new[] { (0, 2048), (3, 256), (6, 256) })
        {
            expected.Add($"deconv_layers.{i}.weight [{inputs}, 256, 4, 4]");
            foreach (var role in new[] { "weight", "bias", "running_mean", "running_var" }) expected.Add($"deconv_layers.{i + 1}.{role} [256]");
            expected.Add($"deconv_layers.{i + 1}.num_batches_tracked []");
        }

        expected.AddRange(["final_layer.weight [17, 256, 1, 1]", "final_layer.bias [17]"]);
        Assert.Equal(expected, NetworkEntries.Of(network).Select(entry => $"{entry.Name} [{string.Join(", ", entry.Tensor.shape)}]"));
        Assert.Equal(34.0, network.parameters().Sum(p => p.numel()) / 1e6, 0.05);
        var map = StageMap.Of(network);
        Assert.Equal(["stem", "layer1", "layer2", "layer3", "layer4", "deconv1", "deconv2", "deconv3", "head"], map.Stages);
        Assert.Equal("deconv2", map.StageOf("deconv_layers.4.running_var"));
        var cost = NetworkCost.Of(network, 1, 3, 256, 192);
        Assert.Equal([1L, 17, 64, 48], Assert.Single(cost.Stages[^1].Outputs).Shape);
    }

    [Theory]
    [InlineData("resnet18", null, "layer4", 64, 16)]
    [InlineData("resnet18", "layer2", "layer2", 64, 64)]
    [InlineData("cifar-resnet20", null, "layer3", 32, 64)]
    [InlineData("mobilenet", null, "block13", 65, 40)]
    [InlineData("squeezenet1_1", null, "fire9", 64, 24)]
    [InlineData("squeezenet1_0", "fire5", "fire5", 64, 56)]
    [InlineData("hrnet", null, "stage4.0", 64, 128)]
    [InlineData("hrnet", "stage2.1", "stage2.1", 64, 64)]
    [InlineData("hrnet classifier", "stage3.0", "stage3.0", 64, 128)]
    public void It_stands_on_any_map_of_any_backbone_and_computes_what_the_backbone_computes(string name, string? map, string found, long size, long heatmap)
    {
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        using var whole = DeterministicFill.Fill(Backbone(name));
        whole.eval();
        var image = DeterministicFill.Input("baseline", 2, 3, size, size);
        var expected = StagedForward.Run((IStagedNetwork)whole, Named(image), [found])[found];

        using var network = DeterministicFill.Fill(new SimpleBaseline(Backbone(name), joints: 5, widths: [12, 10, 6], map));
        network.eval();
        Assert.Equal(found, network.Map);
        var outputs = StagedForward.Run(network, Named(image), [found, "heatmaps"]);
        Assert.True(outputs[found].Equals(expected));
        Assert.Equal([2L, 5, heatmap, heatmap], outputs["heatmaps"].shape);
        Assert.True(network.forward(image).Equals(outputs["heatmaps"]));

        // All that is left is the network's, by its own names.
        var names = NetworkEntries.Of(network).Select(entry => entry.Name).ToList();
        var theirs = NetworkEntries.Of(whole).Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        Assert.All(names, entry => Assert.True(theirs.Contains(entry) || entry.StartsWith("deconv_layers.", StringComparison.Ordinal) || entry.StartsWith("final_layer.", StringComparison.Ordinal), entry));
        Assert.DoesNotContain(names, entry => entry.StartsWith("fc.", StringComparison.Ordinal) || entry.StartsWith("classifier.", StringComparison.Ordinal));
        var ordered = NetworkEntries.Of(whole).Select(entry => entry.Name).Where(names.Contains).ToList();
        Assert.Equal(ordered, names.Take(ordered.Count));
        Assert.Equal(names.Count, names.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void A_backbones_checkpoint_loads_by_its_names_and_what_is_frozen_stays()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "resnet18.safetensors");
        using (var resnet = new ResNet(ResNetDepth.ResNet18))
        {
            new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(resnet, seed: 1);
            ModelFile.Save(resnet, path);
        }

        using var network = DeferredInitialization.Construct(() => new SimpleBaseline(new ResNet(ResNetDepth.ResNet18), joints: 3, widths: [8, 8]));
        using var file = Checkpoint.Open(path);
        var report = new InitializationPlan().Draw("**", SimpleBaseline.Scheme).Load("stage:stem..layer4", file, KeyMap.Identity).Apply(network, seed: 2);
        Assert.Equal(120, report.Loaded.Count);
        foreach (var name in new[] { "deconv_layers.0.weight", "deconv_layers.3.weight", "final_layer.weight" })
        {
            var statistics = ((Origin.Drawn)report.Find(name)!.Origin).Statistics;
            Assert.InRange(statistics.Deviation, name[0] == 'f' ? 0.0004 : 0.0009, name[0] == 'f' ? 0.0016 : 0.0011);
        }

        Assert.Equal("zeros", ((Origin.Drawn)report.Find("final_layer.bias")!.Origin).Initializer);
        using var frozen = new FreezePlan().Freeze("stage:stem..layer4").Apply(network, report);
        Assert.Equal("deconv1", frozen.FrostLine);
        network.train();
        using var optimizer = torch.optim.SGD(network.parameters().Where(p => p.requires_grad).ToList(), 0.1);
        using var scope = NewDisposeScope();
        nn.functional.mse_loss(network.forward(torch.randn(2, 3, 64, 64)), torch.ones(2, 3, 8, 8)).backward();
        optimizer.step();
        frozen.Audit().ThrowIfAnythingMoved();
    }

    [Fact]
    public void Norms_of_the_head_can_be_exchanged()
    {
        using var network = DeterministicFill.Fill(new SimpleBaseline(new SqueezeNet(SqueezeNetVersion.V1_1), joints: 2, widths: [4, 4]));
        network.eval();
        using var scope = NewDisposeScope();
        var image = DeterministicFill.Input("exchange", 1, 3, 64, 64);
        var before = network.forward(image);
        Assert.Equal(["deconv_layers.1", "deconv_layers.4"], FrozenBatchNorm.Replace(network, "deconv_layers.**"));
        network.train();
        Assert.True(network.forward(image).Equals(before));
        Assert.Equal(2, network.modules().Count(module => module is FrozenBatchNorm));
    }

    [Fact]
    public void A_recipe_names_the_backbone_with_its_options_and_the_data_may_have_no_classes()
    {
        var networks = TestNetworks.Registry.Networks;
        var backbone = networks.Item("mobilenet-v1", new MobileNetV1Options { Multiplier = 0.25, Norms = false, OutputStride = 16, InputChannels = 1 });
        var item = networks.Item("simple-baseline", new SimpleBaselineOptions { Backbone = backbone, Joints = 14, Widths = [16, 16] });
        using var network = (SimpleBaseline)item.Create(new BuildContext { Folder = "." });
        network.eval();
        using var scope = NewDisposeScope();
        Assert.Equal([1L, 14, 68, 68], network.forward(torch.zeros(1, 1, 257, 257)).shape);
        Assert.Contains("\"joints:\"", Assert.Throws<FrostlineException>(() => networks.Item("simple-baseline", new SimpleBaselineOptions { Backbone = backbone })
            .Create(new BuildContext { Folder = "." })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recipe_and_a_model_file_keep_the_backbone()
    {
        var recipe = RecipeRun.Parse("""
            version: 1
            model:
              name: simple-baseline
              joints: 14
              widths: [96, 96]
              backbone: { name: mobilenet-v1, multiplier: 0.75, output-stride: 16, norms: false }
            data: { train: { name: image-folder, path: examples } }
            train: { epochs: 1 }
            """);
        Assert.Contains("backbone", recipe.ToYaml(), StringComparison.Ordinal);
        var again = RecipeRun.Parse(recipe.ToYaml());
        var options = Assert.IsType<SimpleBaselineOptions>(again.Model.Options);
        var inner = Assert.IsType<MobileNetV1Options>(options.Backbone!.Options);
        Assert.Equal((0.75, 16, false), (inner.Multiplier, inner.OutputStride, inner.Norms));
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "model.safetensors");
        using (var network = (SimpleBaseline)recipe.Model.Create(new BuildContext { Folder = "." }))
            ModelFile.Save(network, path, ModelDescription.Of(recipe, null).ToMetadata());
        using var file = Checkpoint.Open(path);
        using var read = (SimpleBaseline)ModelDescription.Read(file, RecipeRun.Registry())!.Model.Create(new BuildContext { Folder = "." });
        Assert.Equal("block13", read.Map);
        Assert.Equal([96, 96], read.Widths);
    }

    [Fact]
    public void What_cannot_be_built_is_refused()
    {
        Assert.Contains("did you mean \"layer3\"", Refused(() => new SimpleBaseline(new ResNet(ResNetDepth.ResNet18), 3, map: "layre3")), StringComparison.Ordinal);
        Assert.Contains("\"logits\" is [1, 1000]", Refused(() => new SimpleBaseline(new ResNet(ResNetDepth.ResNet18), 3, map: "logits")), StringComparison.Ordinal);
        Assert.Contains("at least one joint", Refused(() => new SimpleBaseline(new ResNet(ResNetDepth.ResNet18), 0)), StringComparison.Ordinal);
        Assert.Contains("widths of at least 1 but is given 0", Refused(() => new SimpleBaseline(new ResNet(ResNetDepth.ResNet18), 3, widths: [8, 0])), StringComparison.Ordinal);
        Assert.Contains("a staged network that reads \"image\"", Refused(() => new SimpleBaseline(nn.Linear(2, 3), 3)), StringComparison.Ordinal);

        static string Refused(Func<SimpleBaseline> create) => Assert.Throws<FrostlineException>(create).Message;
    }

    private static nn.Module<Tensor, Tensor> Backbone(string name) => name switch
    {
        "mobilenet" => new MobileNetV1(0.25, classes: 2, outputStride: 16, norms: false),
        "hrnet" => new HRNet(new HRNetLayout(8) { Blocks = 1, Modules = [1, 1, 1] }),
        "hrnet classifier" => new HRNetClassifier(new HRNetLayout(8) { Blocks = 1, Modules = [1, 1, 1] }, classes: 2),
        _ => TestNetworks.Create(name, classes: 2),
    };

    private static Dictionary<string, Tensor> Named(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };
}
