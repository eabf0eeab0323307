using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

/// <summary>HRNet, compared with what the published code computes.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class HRNetTests
{
    private const double Single = 1e-4;
    private const double Double = 1e-10;

    [Fact]
    public void Heatmaps_and_taps_are_those_of_the_published_code()
    {
        using var golden = Golden.Open("golden/hrnet_pose_w32.safetensors");
        using var network = DeterministicFill.Fill(new HRNetPose(HRNetWidth.W32));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("hrnet_pose", 2, 3, 128, 96);
        var (heatmaps, taps) = network.HeatmapsAndTaps(image);
        golden.AssertClose("heatmaps", heatmaps, Single);
        foreach (var (tap, name) in taps.Zip(["tap.transition1_0", "tap.stage2", "tap.stage3", "tap.stage4"])) golden.AssertClose(name, tap, Single);
        Assert.True(heatmaps.Equals(network.forward(image)));
        golden.AssertClose("heatmaps_f64", network.to(float64).forward(image.to(float64)), Double);
    }

    [Theory]
    [InlineData("w18_small_v1")]
    [InlineData("w18_small_v2")]
    [InlineData("w18")]
    public void Classifiers_are_those_of_the_published_code(string name)
    {
        using var golden = Golden.Open("golden/hrnet_cls_w18.safetensors");
        var layout = name switch
        {
            "w18_small_v1" => HRNetLayout.SmallV1,
            "w18_small_v2" => HRNetLayout.SmallV2,
            _ => new HRNetLayout(HRNetWidth.W18),
        };
        using var network = DeterministicFill.Fill(new HRNetClassifier(layout));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("hrnet_cls", 1, 3, 64, 64);
        var outputs = StagedForward.Run(network, Named(image), ["stage4.0", "stage4.1", "stage4.2", "stage4.3", "fusion", "logits"]);
        for (var branch = 0; branch < 4; branch++) golden.AssertClose($"{name}.stage4.{branch}", outputs[$"stage4.{branch}"], Single);
        golden.AssertClose($"{name}.final_layer", outputs["fusion"], Single);
        golden.AssertClose($"{name}.logits", outputs["logits"], Single);
        golden.AssertClose($"{name}.logits_f64", network.to(float64).forward(image.to(float64)), Double);
    }

    [Fact]
    public void W32_and_W48_have_their_published_parameters_and_multiply_adds()
    {
        using var w32 = DeferredInitialization.Construct(() => new HRNetPose(HRNetWidth.W32));
        Assert.Equal(28_536_113, w32.parameters().Sum(p => p.numel()));
        Assert.Equal(878, w32.parameters().Count());
        Assert.Equal(7.645, NetworkCost.Of(w32, 1, 3, 256, 192).MultiplyAdds / 1e9, 0.0005);
        using var w48 = DeferredInitialization.Construct(() => new HRNetPose(HRNetWidth.W48));
        Assert.Equal(63_595_745, w48.parameters().Sum(p => p.numel()));
    }

    [Fact]
    public void Every_parameter_is_in_the_stage_of_its_name()
    {
        foreach (var network in new IStagedNetwork[] { new HRNet(8), new HRNetPose(8, joints: 3), new HRNetClassifier(8, classes: 5) })
        {
            using var module = (nn.Module)network;
            var map = StageMap.Of(network);
            foreach (var (name, _) in NetworkEntries.Of(module))
            {
                var first = name.Split('.')[0];
                var expected = first switch
                {
                    "conv1" or "bn1" or "conv2" or "bn2" => "stem",
                    "incre_modules" or "downsamp_modules" => "fusion",
                    "final_layer" => network is HRNetClassifier ? "fusion" : "final_layer",
                    "classifier" => "head",
                    _ => first,
                };
                Assert.Equal(expected, map.StageOf(name));
            }
        }
    }

    [Theory]
    [InlineData(16, 64, 96)]
    [InlineData(8, 32, 32)]
    [InlineData(11, 64, 32)]
    public void Any_width_works_and_branches_halve_in_size_and_double_in_channels(int width, long height, long broad)
    {
        using var network = new HRNet(width);
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var outputs = StagedForward.Run(network, Named(torch.randn(2, 3, height, broad)), ["transition1.1", "stage2.1", "stage3.2", "stage4.0", "stage4.3"]);
        Assert.Equal([2L, 2 * width, height / 8, broad / 8], outputs["transition1.1"].shape);
        Assert.Equal([2L, 2 * width, height / 8, broad / 8], outputs["stage2.1"].shape);
        Assert.Equal([2L, 4 * width, height / 16, broad / 16], outputs["stage3.2"].shape);
        Assert.Equal([2L, width, height / 4, broad / 4], outputs["stage4.0"].shape);
        Assert.Equal([2L, 8 * width, height / 32, broad / 32], outputs["stage4.3"].shape);
    }

    [Fact]
    public void What_a_tap_does_not_need_is_not_computed()
    {
        using var network = new HRNetPose(8);
        Assert.Equal(
            ["stem", "layer1", "transition1", "stage2"],
            StageSchedule.Whole(network, ["stage2.0"]).Stages.Select(stage => stage.Name));
    }

    [Theory]
    [InlineData(60, 64, "multiples of 32 but gets [1, 3, 60, 64]; resize or crop them, for example to 64 x 64")]
    [InlineData(257, 193, "multiples of 32 but gets [1, 3, 257, 193]; resize or crop them, for example to 256 x 192")]
    [InlineData(16, 64, "at least 32 x 32")]
    public void Sizes_that_are_not_multiples_of_32_are_refused(long height, long width, string message)
    {
        using var network = new HRNetPose(8);
        using var image = torch.zeros(1, 3, height, width);
        Assert.Contains(message, Assert.Throws<FrostlineException>(() => network.forward(image)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_that_cannot_be_built_are_refused()
    {
        Assert.Contains("a width of 0", Assert.Throws<FrostlineException>(() => new HRNet(0)).Message, StringComparison.Ordinal);
        Assert.Contains("at least one joint", Assert.Throws<FrostlineException>(() => new HRNetPose(8, joints: 0)).Message, StringComparison.Ordinal);
        Assert.Contains("modules of 1, 2", Assert.Throws<FrostlineException>(() => new HRNet(new HRNetLayout(8) { Modules = [1, 2] })).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => new HRNetClassifier(8, classes: 0));
    }

    [Fact]
    public void From_a_classifier_all_but_the_final_layer_is_loaded_and_that_is_drawn()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "classifier.safetensors");
        using (var classifier = new HRNetClassifier(HRNetWidth.W32))
        {
            new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(classifier, seed: 1);
            ModelFile.Save(classifier, path);
        }

        using var network = DeferredInitialization.Construct(() => new HRNetPose(HRNetWidth.W32));
        using var file = Checkpoint.Open(path);
        var report = new InitializationPlan()
            .Draw("**", InitializationScheme.HRNet)
            .Load("** & !final_layer.**", file, KeyMap.Identity)
            .Apply(network, seed: 2);
        Assert.Equal(1752, report.Loaded.Count);
        Assert.Equal(["final_layer.bias", "final_layer.weight"], report.Drawn.Select(tensor => tensor.Name).Order(StringComparer.Ordinal));
    }

    /// <summary>The mistake of many pose repositories: what is "frozen" by requires_grad alone still moves in every step.</summary>
    [Fact]
    public void Without_a_plan_the_statistics_of_all_292_norms_move_and_with_it_nothing_moves()
    {
        using var network = new HRNetPose(HRNetWidth.W32, joints: 2);
        Assert.Equal(292, network.modules().Count(module => module is TorchSharp.Modules.BatchNorm));
        new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, seed: 1);
        foreach (var (name, parameter) in network.named_parameters()) parameter.requires_grad = name.StartsWith("final_layer", StringComparison.Ordinal);
        var before = Values(network);
        Train(network, steps: 20);
        var after = Values(network);
        var moved = before.Where(entry => !entry.Value.SequenceEqual(after[entry.Key])).Select(entry => entry.Key).ToList();
        Assert.Equal(292, moved.Count(name => name.EndsWith("running_mean", StringComparison.Ordinal)));
        Assert.Equal(292, moved.Count(name => name.EndsWith("running_var", StringComparison.Ordinal)));

        using var frozen = new FreezePlan().Freeze("** & !final_layer.**").Apply(network, allowRandom: true);
        before = Values(network);
        Train(network, steps: 3);
        after = Values(network);
        Assert.Equal(
            ["final_layer.bias", "final_layer.weight"],
            before.Where(entry => !entry.Value.SequenceEqual(after[entry.Key])).Select(entry => entry.Key).Order(StringComparer.Ordinal));
        frozen.Audit().ThrowIfAnythingMoved();
    }

    private static void Train(nn.Module<Tensor, Tensor> network, int steps)
    {
        network.train();
        using var optimizer = torch.optim.SGD(network.parameters().Where(p => p.requires_grad).ToList(), 0.01);
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            nn.functional.mse_loss(network.forward(DeterministicFill.Input($"step{step}", 2, 3, 64, 32)), torch.ones(2, 2, 16, 8)).backward();
            optimizer.step();
        }
    }

    private static Dictionary<string, byte[]> Values(nn.Module network) =>
        NetworkEntries.Of(network).ToDictionary(entry => entry.Name, entry => entry.Tensor.bytes.ToArray(), StringComparer.Ordinal);

    private static Dictionary<string, Tensor> Named(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };
}
