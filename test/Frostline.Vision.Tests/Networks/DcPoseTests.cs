using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Registration;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

[Collection(LibTorchCollection.Name)]
public sealed class DcPoseTests
{
    private static readonly HRNetLayout s_small = new(8) { FirstBlocks = 1, FirstWidth = 16, Modules = [1, 1, 1], Blocks = 1 };

    /// <summary>The paper's equations, in plain tensors, of the HRNet's heatmaps and each block's own results.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    public void What_each_block_reads_is_joint_by_joint_as_the_paper_says(int previous, int next)
    {
        const int joints = 5;
        using var network = DeterministicFill.Fill(new DcPose(new DcPoseLayout(s_small)
        {
            Joints = joints,
            Dilations = [1, 3],
            PreviousDistance = previous,
            NextDistance = next,
        }));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var (key, neighbours) = (DeterministicFill.Input("key", 2, 3, 64, 64), DeterministicFill.Input("near", 2, 6, 64, 64));
        var outputs = StagedForward.Run(
            network, Named(DcPose.Rows(key, neighbours)),
            ["rough_pose_estimation_net.heatmaps", "differences", "supports", "combined", "warped.0", "warped.1", "heatmaps"]);
        var rough = outputs["rough_pose_estimation_net.heatmaps"].reshape(2, 3, joints, 16, 16);
        var (current, before, behind) = (rough.select(1, 0), rough.select(1, 1), rough.select(1, 2));
        var (w, v) = (torch.tensor(next / (float)(previous + next)), torch.tensor(previous / (float)(previous + next)));

        var differences = Enumerable.Range(0, joints).SelectMany(j => new[]
        {
            Joint(current, j) - Joint(before, j), (Joint(current, j) - Joint(before, j)) * w,
            Joint(current, j) - Joint(behind, j), (Joint(current, j) - Joint(behind, j)) * v,
        });
        Close(Child(network, "diff_temporal_fuse").forward(cat([.. differences], 1)), outputs["differences"]);
        var supports = Enumerable.Range(0, joints).SelectMany(j => new[] { Joint(current, j), Joint(before, j) * w, Joint(behind, j) * v });
        Close(Child(network, "support_temporal_fuse").forward(cat([.. supports], 1)), outputs["supports"]);
        Close(Child(network, "offset_mask_combine_conv").forward(cat([outputs["differences"], outputs["supports"]], 1)), outputs["combined"]);
        Close((outputs["warped.0"] + outputs["warped.1"]) / torch.tensor(2f), outputs["heatmaps"]);
        Close(network.forward(key, neighbours), outputs["heatmaps"]);
        Assert.Equal([2L, joints, 16, 16], outputs["heatmaps"].shape);

        static Tensor Joint(Tensor maps, int joint) => maps.slice(1, joint, joint + 1, 1);
    }

    /// <summary>Figure 3 of the paper of residual steps networks, layer by layer.</summary>
    [Fact]
    public void A_residual_steps_block_adds_the_branch_before_at_each_step()
    {
        using var network = DeterministicFill.Fill(new DcPose(new DcPoseLayout(s_small) { Joints = 4, Dilations = [1] }));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var block = Child(network, "support_temporal_fuse.layers.0");
        var x = DeterministicFill.Input("steps", 2, 12, 9, 7);
        var split = Unit("conv_bn_relu1", x).chunk(4, 1);
        var a1 = Unit("conv_bn_relu2_1_1", split[0]);
        var b1 = Unit("conv_bn_relu2_2_1", split[1] + a1);
        var b2 = Unit("conv_bn_relu2_2_2", b1);
        var c1 = Unit("conv_bn_relu2_3_1", split[2] + b1);
        var c2 = Unit("conv_bn_relu2_3_2", c1 + b2);
        var c3 = Unit("conv_bn_relu2_3_3", c2);
        var d1 = Unit("conv_bn_relu2_4_1", split[3] + c1);
        var d2 = Unit("conv_bn_relu2_4_2", d1 + c2);
        var d3 = Unit("conv_bn_relu2_4_3", d2 + c3);
        var d4 = Unit("conv_bn_relu2_4_4", d3);
        var expected = (Unit("conv_bn_relu3", cat([a1, b2, c3, d4], 1)) + Unit("downsample", x)).relu();
        Close(expected, block.forward(x));

        Tensor Unit(string name, Tensor input) => Child(network, $"support_temporal_fuse.layers.0.{name}").forward(input);
    }

    [Fact]
    public void Its_fusion_is_what_a_plan_of_one_line_trains_and_samples_are_apart()
    {
        using var network = DeterministicFill.Fill(new DcPose(new DcPoseLayout(s_small) { Joints = 2, Dilations = [1, 2] }));
        using var frozen = new FreezePlan().Freeze("rough_pose_estimation_net.**").Apply(network, allowRandom: true);
        Assert.Equal("difference_fusion", frozen.FrostLine);
        Assert.Equal(["rough_pose_estimation_net.heatmaps"], FrozenPrefix.Find(frozen, null, out _)!.Schedule.Outputs);
        network.eval();
        using var scope = NewDisposeScope();
        var (key, neighbours) = (DeterministicFill.Input("key", 3, 3, 32, 64), DeterministicFill.Input("near", 3, 6, 32, 64));
        var heatmaps = network.forward(key, neighbours);
        Close(network.forward(key.slice(0, 1, 2, 1), neighbours.slice(0, 1, 2, 1)), heatmaps.slice(0, 1, 2, 1));
        network.train();
        network.forward(key, neighbours).square().mean().backward();
        foreach (var (name, parameter) in network.named_parameters())
            Assert.Equal(!name.StartsWith("rough_pose", StringComparison.Ordinal), parameter.grad is not null);
    }

    [Fact]
    public void Its_scheme_begins_with_deformable_convolutions_that_change_nothing()
    {
        using var network = DeferredInitialization.Construct(() => new DcPose(HRNetWidth.W48));
        var report = new InitializationPlan().Draw("**", DcPose.Scheme).Preview(network, seed: 1);
        Assert.StartsWith("identity-kernel", Initializer("modulated_deform_conv_list.4.deform_conv.weight"), StringComparison.Ordinal);
        Assert.Equal("zeros", Initializer("modulated_deform_conv_list.4.deform_conv.bias"));
        Assert.Equal("normal(mean: 0, deviation: 0.001)", Initializer("offsets_list.0.0.weight"));

        string Initializer(string name) => ((Origin.Drawn)report.Find(name)!.Origin).Initializer;
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var network = new DcPose(new DcPoseLayout(s_small) { Joints = 2, Dilations = [1] });
        network.eval();
        using var scope = NewDisposeScope();
        Assert.Contains("2 supporting frames of each, [B, 2 C, H, W]", Refused(() => network.forward(zeros(1, 3, 64, 32), zeros(1, 12, 64, 32))), StringComparison.Ordinal);
        Assert.Contains("3 rows of each sample", Refused(() => StagedForward.Run(network, Named(zeros(4, 3, 64, 32)))), StringComparison.Ordinal);
        Assert.Contains("dilations of []", Refused(() => new DcPose(new DcPoseLayout(s_small) { Dilations = [] })), StringComparison.Ordinal);
        Assert.Contains("distances of 0 and 1", Refused(() => new DcPose(new DcPoseLayout(s_small) { PreviousDistance = 0 })), StringComparison.Ordinal);
        var item = TestNetworks.Registry.Networks.Item("dc-pose", new DcPoseOptions { Width = 8, Joints = 5, NextDistance = 2 });
        using var created = (DcPose)DeferredInitialization.Construct(() => item.Create(new BuildContext { Folder = "." }));
        Assert.Equal((8, 5, 2, 5), (created.Layout.Backbone.Width, created.Layout.Joints, created.Layout.NextDistance, created.Layout.Dilations.Count));

        static string Refused(Func<object> create) => Assert.Throws<FrostlineException>(create).Message;
    }

    private static nn.Module<Tensor, Tensor> Child(nn.Module network, string name) =>
        (nn.Module<Tensor, Tensor>)network.named_modules().Single(entry => entry.name == name).module;

    private static void Close(Tensor expected, Tensor actual) => Assert.InRange(Golden.RelativeError(expected, actual), 0, 1e-5);

    private static Dictionary<string, Tensor> Named(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };
}
