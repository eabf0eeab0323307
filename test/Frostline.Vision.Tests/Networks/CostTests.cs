using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

[Collection(LibTorchCollection.Name)]
public sealed class CostTests
{
    /// <summary>The figures that torchvision publishes with its weights (GFLOPS, which are multiply-adds), to their last digit.</summary>
    [Theory]
    [InlineData("resnet18", 1.814)]
    [InlineData("resnet34", 3.664)]
    [InlineData("resnet50", 4.089)]
    [InlineData("resnet101", 7.801)]
    [InlineData("resnet152", 11.514)]
    [InlineData("squeezenet1_0", 0.819)]
    [InlineData("squeezenet1_1", 0.349)]
    public void Multiply_adds_at_224_are_torchvisions(string name, double billions)
    {
        using var network = TestNetworks.Create(name);
        Assert.Equal(billions, NetworkCost.Of((IStagedNetwork)network, 1, 3, 224, 224).MultiplyAdds / 1e9, 0.00051);
        Assert.Equal(network.parameters().Sum(p => p.numel()), NetworkCost.Of((IStagedNetwork)network, 1, 3, 224, 224).Parameters);
    }

    [Theory]
    [InlineData("resnet18", 2, 64, 64)]
    [InlineData("resnet50", 1, 97, 65)]
    [InlineData("cifar-resnet20", 3, 32, 32)]
    [InlineData("cifar-resnet32", 1, 33, 31)]
    [InlineData("squeezenet1_0", 1, 227, 224)]
    [InlineData("squeezenet1_1", 2, 64, 75)]
    [InlineData("hrnet-w18-small-v2", 2, 64, 32)]
    public void Shapes_are_those_of_running_it_and_the_composition_is_the_forward(string name, long batch, long height, long width)
    {
        using var network = TestNetworks.Create(name, classes: 7);
        network.eval();
        var staged = (IStagedNetwork)network;
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = torch.randn(batch, 3, height, width);
        var live = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["image"] = image };
        var cost = NetworkCost.Of(staged, batch, 3, height, width);
        foreach (var (i, stage) in staged.Stages.Index())
        {
            var outputs = StagedForward.Run(StageSchedule.Of(staged, i, i + 1, stage.Writes), live);
            foreach (var output in cost.Stages[i].Outputs)
            {
                live[output.Name] = outputs[output.Name];
                Assert.Equal(outputs[output.Name].shape, output.Shape);
            }
        }

        Assert.True(live["logits"].Equals(network.forward(image)));
        Assert.Equal([batch, 7], live["logits"].shape);
    }

    [Fact]
    public void A_step_costs_what_the_trained_stages_make_it_cost()
    {
        using var network = TestNetworks.Create("resnet50");
        var cost = NetworkCost.Of((IStagedNetwork)network, 8, 3, 224, 224);
        var names = network.named_parameters().ToList();
        var head = cost.TrainingStep(["fc.weight", "fc.bias"]);
        var all = cost.TrainingStep(names.Select(p => p.name), optimizerStates: 2);
        var last = cost.TrainingStep(names.Select(p => p.name).Where(n => n.StartsWith("layer4", StringComparison.Ordinal)));

        Assert.Equal(4L * 2_049_000, head.GradientBytes);
        Assert.Equal(4L * 25_557_032 * 2, all.OptimizerBytes);
        Assert.Equal(3 * cost.MultiplyAdds, all.MultiplyAdds);
        Assert.Equal(cost.MultiplyAdds + (2 * cost.Stages[^1].MultiplyAdds), head.MultiplyAdds);
        Assert.Equal(cost.MultiplyAdds + (2 * cost.Stages[4].MultiplyAdds) + cost.Stages[^1].MultiplyAdds, last.MultiplyAdds);

        // The inputs of the head: 2048 pooled features an image.
        Assert.Equal(4L * 8 * 2048, head.ActivationBytes);
        Assert.InRange(last.ActivationBytes, head.ActivationBytes, all.ActivationBytes / 4);
        Assert.True(head.TotalBytes < all.TotalBytes / 3);
        Assert.Contains("did you mean \"fc.bias\"", Assert.Throws<FrostlineException>(() => cost.TrainingStep(["fc.bais"])).Message, StringComparison.Ordinal);
    }

    /// <summary>By hand: the sixty-four maps of 112 x 112 behind conv1 are saved once for the norm and once behind it; the pool saves positions.</summary>
    [Fact]
    public void Saved_activations_of_the_stem_are_counted_once_each()
    {
        using var network = TestNetworks.Create("resnet18");
        var stem = NetworkCost.Of((IStagedNetwork)network, 1, 3, 224, 224).Stages[0];
        const long map = 4L * 64 * 112 * 112;
        Assert.Equal((2 * map) + (8L * 64 * 56 * 56), stem.SavedBytes);
        Assert.Equal(map, stem.LargestBytes);
        Assert.Equal(4L * 64 * 56 * 56, stem.OutputBytes);
    }
}
