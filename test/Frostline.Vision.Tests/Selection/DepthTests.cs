using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Selection;
using Frostline.Testing;
using Frostline.Vision.Networks;
using Xunit;

namespace Frostline.Vision.Tests.Selection;

[Collection(LibTorchCollection.Name)]
public sealed class DepthTests
{
    [Fact]
    public void The_lowest_layers_of_a_residual_network_are_chosen_and_the_others_are_the_rest()
    {
        using var network = new ResNet(ResNetDepth.ResNet18, classes: 10);
        var tree = ModuleTree.Of(network);
        var low = Selector.Parse("depth:<30%").Require(tree.Selection);
        var high = Selector.Parse("depth:>=30%").Require(tree.Selection);

        // 20 convolutions, 20 norms and fc are 41 layers; those with i < 12.3 are the first 13.
        var layers = tree.Tensors.Where(entry => low.Tensors.Contains(entry.Name)).Select(entry => entry.Owner).Distinct().ToList();
        Assert.Equal(
            [
                "conv1", "bn1", "layer1.0.conv1", "layer1.0.bn1", "layer1.0.conv2", "layer1.0.bn2", "layer1.1.conv1", "layer1.1.bn1",
                "layer1.1.conv2", "layer1.1.bn2", "layer2.0.conv1", "layer2.0.bn1", "layer2.0.conv2",
            ],
            layers);
        Assert.Equal(layers.Order(), low.Modules.Order());
        Assert.Equal(tree.Tensors.Select(entry => entry.Name).Order(), low.Tensors.Concat(high.Tensors).Order());
    }

    [Fact]
    public void A_plan_by_depth_freezes_parameters_and_statistics()
    {
        using var network = new ResNet(ResNetDepth.ResNet18, classes: 10);
        var plan = new FreezePlan().Freeze("depth:<30%").Preview(network);
        Assert.Equal("layer2", plan.FrostLine);
        Assert.Equal(TensorState.Frozen, plan.Tensors.First(tensor => tensor.Name == "layer2.0.bn1.running_mean").State);
        Assert.Equal(TensorState.Moving, plan.Tensors.First(tensor => tensor.Name == "layer2.0.bn2.running_mean").State);
    }
}
