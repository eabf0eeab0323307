using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Registration;
using Frostline.Vision.Networks;
using Frostline.Vision.Pose;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

/// <summary>FAMI-Pose, compared with what the published code computes.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class FamiPoseTests
{
    private const double Single = 1e-4;

    private static readonly HRNetLayout s_small = new(8) { FirstBlocks = 1, FirstWidth = 16, Modules = [1, 1, 1], Blocks = 1 };

    [Fact]
    public void Everything_on_the_way_to_the_heatmaps_is_the_published_codes()
    {
        using var network = DeterministicFill.Fill(new FamiPose(HRNetWidth.W48));
        network.eval();
        using var guard = torch.no_grad();
        using var scope = NewDisposeScope();
        using (var golden = Golden.Open("golden/fami_pose_a.safetensors"))
            Check(network, golden, DeterministicFill.Input("fami_key", 1, 3, 384, 288), DeterministicFill.Input("fami_sup", 1, 12, 384, 288));

        // Translations of some elements, and coarser images.
        network.get_parameter("feat_global_offset_layers.9.bias")!.copy_(torch.tensor(new[] { 2.75f, -1.5f }));
        network.get_parameter("feat_global_offset_layers.9.weight")!.mul_(torch.tensor(8f));
        using (var golden = Golden.Open("golden/fami_pose_b.safetensors"))
            Check(network, golden, Coarse(DeterministicFill.Input("fami_b_key", 1, 3, 12, 9)), Coarse(DeterministicFill.Input("fami_b_sup", 1, 12, 12, 9)));
    }

    [Fact]
    public void Its_alignment_has_the_published_parameters_and_is_all_that_a_plan_of_one_line_trains()
    {
        using var network = DeferredInitialization.Construct(() => new FamiPose(HRNetWidth.W48));
        var trained = network.named_parameters().Where(p => !p.name.StartsWith("hrnet.", StringComparison.Ordinal)).ToList();
        Assert.Equal(106, trained.Count);
        Assert.Equal(1_059_459, trained.Sum(p => p.parameter.numel()));
        var map = StageMap.Of(network);
        Assert.Equal(
            ["global_alignment", "support_aggregation", "combination", "local_alignment.1", "local_alignment.2", "local_alignment.3", "local_alignment.4", "aggregation", "head", "information"],
            map.Stages.Where(stage => !stage.StartsWith("hrnet.", StringComparison.Ordinal)));
        Assert.Equal("local_alignment.3", map.StageOf("dcn_3.weight"));
        Assert.All(network.Stages, stage => Assert.Equal(stage.Name.StartsWith("hrnet.", StringComparison.Ordinal) ? 5 : 1, stage.RowsPerSample));
    }

    [Theory]
    [InlineData(8, 4, 128, 96, null, 2)]
    [InlineData(16, 2, 64, 96, null, 3)]
    [InlineData(6, 1, 96, 64, 3, 1)]
    public void Other_widths_sizes_and_numbers_of_supports_work_and_samples_are_apart(int width, int supports, int height, int broad, int? groups, int joints)
    {
        using var network = DeterministicFill.Fill(new FamiPose(new FamiPoseLayout(s_small with { Width = width })
        {
            Joints = joints,
            Supports = supports,
            Height = height,
            Width = broad,
            DeformableGroups = groups,
        }));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var (key, support) = (DeterministicFill.Input("key", 2, 3, height, broad), DeterministicFill.Input("sup", 2, 3 * supports, height, broad));
        var heatmaps = network.forward(key, support);
        Assert.Equal([2L, joints, height / 4, broad / 4], heatmaps.shape);
        for (var i = 0; i < 2; i++)
        {
            var alone = network.forward(key.slice(0, i, i + 1, 1), support.slice(0, i, i + 1, 1));
            Assert.InRange(Golden.RelativeError(alone, heatmaps.slice(0, i, i + 1, 1)), 0, 1e-5);
        }

        // The order of supporting frames counts.
        if (supports == 1) return;
        var swapped = cat([support.slice(1, 3, 3 * supports, 1), support.slice(1, 0, 3, 1)], 1);
        Assert.True(Golden.RelativeError(Supports(support), Supports(swapped)) > 1e-3);

        Tensor Supports(Tensor frames) => StagedForward.Run(network, Named(network.Rows(key, frames)), ["support_features"])["support_features"];
    }

    public static TheoryData<string> Staged => ["fami-pose", "dc-pose", "posenet", "baseline"];

    [Theory]
    [MemberData(nameof(Staged))]
    public void The_cost_of_networks_of_pose_follows_their_shapes(string name)
    {
        using nn.Module network = name switch
        {
            "fami-pose" => new FamiPose(new FamiPoseLayout(s_small) { Joints = 3, Supports = 2, Height = 64, Width = 96, Information = true }),
            "dc-pose" => new DcPose(new DcPoseLayout(s_small) { Joints = 3 }),
            "posenet" => new PoseNet(0.25),
            _ => new SimpleBaseline(new HRNet(s_small), joints: 3, widths: [4, 4]),
        };
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var staged = (IStagedNetwork)network;
        List<string> all = [.. staged.Stages.SelectMany(stage => stage.Writes)];
        var cost = NetworkCost.Of(staged, new Dictionary<string, IReadOnlyList<long>> { ["image"] = [6, 3, 64, 96] }, all);
        var outputs = StagedForward.Run(staged, Named(zeros(6, 3, 64, 96)), all);
        foreach (var output in cost.Stages.SelectMany(stage => stage.Outputs)) Assert.Equal(outputs[output.Name].shape, output.Shape);
        Assert.Equal(network.parameters().Sum(p => p.numel()), cost.Parameters);
        Assert.True(cost.MultiplyAdds > 0);
    }

    [Fact]
    public void With_the_HRNet_frozen_the_prefix_keeps_a_map_for_each_frame_and_the_rest_learns()
    {
        using var network = new FamiPose(new FamiPoseLayout(s_small) { Joints = 3, Supports = 2, Height = 64, Width = 64, Information = true });
        var report = new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, seed: 1);
        using var frozen = new FreezePlan().Freeze("hrnet.**").Apply(network, report, allowRandom: true);
        Assert.Equal("global_alignment", frozen.FrostLine);
        var prefix = FrozenPrefix.Find(frozen, null, out _)!;
        Assert.Contains("hrnet.stage4.0", prefix.Schedule.Outputs);
        network.train();
        var loss = new FamiPoseLoss(new FamiPoseLossOptions { InformationWeight = 0.01 });
        using var optimizer = torch.optim.Adam(network.parameters().Where(p => p.requires_grad).ToList(), 1e-3);
        var errors = new List<double>();
        var target = torch.zeros(2, 3, 16, 16);
        target[.., .., 5, 9] = torch.tensor(1f);
        for (var step = 0; step < 12; step++)
        {
            using var scope = NewDisposeScope();
            var rows = network.Rows(DeterministicFill.Input("k", 2, 3, 64, 64), DeterministicFill.Input("s", 2, 6, 64, 64));
            var features = prefix.Plain().Run(Named(rows));
            Assert.All(features.Values, feature => Assert.Equal(6, feature.shape[0]));
            var outputs = StagedForward.Run(prefix.Suffix!, features);
            var error = loss.Compute(outputs, new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["heatmap"] = target, ["weight"] = torch.ones(2, 3) });
            optimizer.zero_grad();
            error.backward();
            optimizer.step();
            errors.Add(error.Number());
        }

        Assert.All(errors, error => Assert.True(double.IsFinite(error)));
        Assert.True(errors[^1] < errors[0], $"the loss went from {errors[0]} to {errors[^1]}");
        frozen.Audit().ThrowIfAnythingMoved();
    }

    [Fact]
    public void Gradients_reach_every_trained_parameter_but_none_of_the_HRNets()
    {
        using var network = DeterministicFill.Fill(new FamiPose(new FamiPoseLayout(s_small) { Joints = 2, Supports = 2, Height = 64, Width = 64 }));
        using var frozen = new FreezePlan().Freeze("hrnet.**").Apply(network, allowRandom: true);
        network.train();
        using var scope = NewDisposeScope();
        network.forward(DeterministicFill.Input("k", 2, 3, 64, 64), DeterministicFill.Input("s", 2, 6, 64, 64)).square().mean().backward();
        foreach (var (name, parameter) in network.named_parameters())
        {
            if (name.StartsWith("hrnet.", StringComparison.Ordinal)) Assert.Null(parameter.grad);
            else Assert.True(parameter.grad is { } grad && grad.isfinite().all().item<bool>(), name);
        }

        Assert.True(network.get_parameter("feat_global_offset_layers.0.layers.0.conv1.weight")!.grad!.abs().max().Number() > 0);
    }

    [Fact]
    public void Its_scheme_draws_as_the_published_code_does()
    {
        using var network = DeferredInitialization.Construct(() => new FamiPose(HRNetWidth.W48));
        var report = new InitializationPlan().Draw("**", FamiPose.Scheme).Preview(network, seed: 1);
        Assert.Equal("normal(mean: 0, deviation: 0.001)", Initializer("agg_final_layer.weight"));
        Assert.Equal("normal(mean: 0, deviation: 0.001)", Initializer("dcn_mask_2.conv.weight"));
        Assert.StartsWith("kaiming-uniform", Initializer("dcn_2.weight"), StringComparison.Ordinal);
        Assert.StartsWith("kaiming-uniform", Initializer("feat_global_offset_layers.8.weight"), StringComparison.Ordinal);
        Assert.All(report.Tensors.Where(tensor => tensor.Name.EndsWith(".bias", StringComparison.Ordinal)), tensor => Assert.Equal("zeros", Initializer(tensor.Name)));

        string Initializer(string name) => ((Origin.Drawn)report.Find(name)!.Origin).Initializer;
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var network = new FamiPose(new FamiPoseLayout(s_small) { Joints = 2, Supports = 2, Height = 64, Width = 32 });
        network.eval();
        using var scope = NewDisposeScope();
        Assert.Contains("made for images of 64 x 32", Refused(() => network.forward(zeros(1, 3, 32, 32), zeros(1, 6, 32, 32))), StringComparison.Ordinal);
        Assert.Contains("2 supporting frames of each, [B, 2 C, H, W]", Refused(() => network.forward(zeros(1, 3, 64, 32), zeros(1, 9, 64, 32))), StringComparison.Ordinal);
        Assert.Contains("3 rows of each sample", Refused(() => StagedForward.Run(network, Named(zeros(4, 3, 64, 32)))), StringComparison.Ordinal);
        Assert.Contains("give multiples of 32", Refused(() => new FamiPose(new FamiPoseLayout(s_small) { Height = 100 })), StringComparison.Ordinal);
        Assert.Contains("3 deformable groups for 8 channels", Refused(() => new FamiPose(new FamiPoseLayout(s_small) { DeformableGroups = 3 })), StringComparison.Ordinal);
        Assert.Contains("0 supporting frames", Refused(() => new FamiPose(new FamiPoseLayout(s_small) { Supports = 0 })), StringComparison.Ordinal);

        static string Refused(Func<object> create) => Assert.Throws<FrostlineException>(create).Message;
    }

    [Fact]
    public void A_recipe_sets_its_sizes()
    {
        var item = TestNetworks.Registry.Networks.Item("fami-pose", new FamiPoseOptions
        {
            Width = 8,
            Supports = 2,
            InputHeight = 128,
            InputWidth = 96,
            Joints = 14,
            Information = true,
        });
        using var network = (FamiPose)DeferredInitialization.Construct(() => item.Create(new BuildContext { Folder = "." }));
        Assert.Equal((8, 2, 128, 96, 14), (network.Layout.Backbone.Width, network.Layout.Supports, network.Layout.Height, network.Layout.Width, network.Layout.Joints));
        Assert.Equal(["heatmaps", .. FamiPose.InformationOutputs], network.Outputs);
    }

    private static void Check(FamiPose network, Golden golden, Tensor key, Tensor supports)
    {
        var modules = new[] { "dcn_offset", "dcn_mask", "dcn" }.SelectMany(name => Enumerable.Range(1, 4).Select(i => $"{name}_{i}")).ToList();
        string[] taps = ["hrnet.heatmaps", "hrnet.stage4.0", "global_features", "translation", "combined_features", .. FamiPose.InformationOutputs, "heatmaps"];
        var outputs = StagedForward.Run(network, Named(network.Rows(key, supports)), [.. taps.Concat(modules).Distinct(StringComparer.Ordinal)]);
        golden.AssertClose("final_heatmaps", outputs["heatmaps"], Single);
        golden.AssertClose("backbone_heatmaps", outputs["hrnet.heatmaps"].slice(0, 0, 1, 1), Single);
        golden.AssertClose("translation_xy", outputs["translation"].reshape(4, 2), Single);
        golden.AssertClose("key.backbone_feat_s8", EveryEighth(outputs["key_features"]), Single);
        for (var i = 0; i < 4; i++)
        {
            golden.AssertClose($"sup{i}.backbone_feat_s8", EveryEighth(outputs["hrnet.stage4.0"].slice(0, i + 1, i + 2, 1)), Single);
            golden.AssertClose($"sup{i}.global_aligned_s8", EveryEighth(outputs["global_features"].slice(1, 48 * i, 48 * (i + 1), 1)), Single);
        }

        golden.AssertClose("sup_agg_block_s8", EveryEighth(outputs["support_features"]), Single);
        golden.AssertClose("combined_feat_layers_s8", EveryEighth(outputs["combined_features"]), Single);
        golden.AssertClose("init_feature_agg_block_s8", EveryEighth(outputs["features"]), Single);
        foreach (var name in modules) golden.AssertClose($"{name}_s8", EveryEighth(outputs[name]), Single);
        golden.AssertClose("mi_losses", stack([.. MutualInformation.Terms(outputs, MutualInformationForm.ReleasedCode)]), Single);
        Assert.True(network.forward(key, supports).Equals(outputs["heatmaps"]));
    }

    private static Tensor Coarse(Tensor image) => image.repeat_interleave(32, 2).repeat_interleave(32, 3);

    private static Tensor EveryEighth(Tensor map) => map.slice(2, 0, map.shape[2], 8).slice(3, 0, map.shape[3], 8);

    private static Dictionary<string, Tensor> Named(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };
}
