using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Tests.Networks;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FrozenBatchNormTests
{
    [Theory]
    [InlineData("resnet18", 20, 64)]
    [InlineData("resnet50", 53, 64)]
    [InlineData("cifar-resnet20", 19, 32)]
    public void A_converted_network_computes_the_same_bits_at_the_same_cost(string name, int norms, long size)
    {
        using var scope = NewDisposeScope();
        using var network = DeterministicFill.Fill(TestNetworks.Create(name, classes: 7));
        var staged = (IStagedNetwork)network;
        var image = DeterministicFill.Input("image", 2, 3, size, size).requires_grad_();
        var (cost, prints, names) = (NetworkCost.Of(staged, 2, 3, size, size), Fingerprints.Of(network), Names());
        network.eval();
        var (logits, gradient) = Run();

        Assert.Equal(norms, FrozenBatchNorm.Replace(network).Count);
        network.train();
        var (again, same) = Run();
        Assert.True(logits.Equals(again));
        Assert.True(gradient.Equals(same));
        Assert.Equal(names, Names());
        var now = NetworkCost.Of(staged, 2, 3, size, size);
        Assert.Equal(
            cost.Stages.Select(stage => (stage.MultiplyAdds, stage.SavedBytes, stage.PeakBytes, stage.LargestBytes, stage.OutputBytes)),
            now.Stages.Select(stage => (stage.MultiplyAdds, stage.SavedBytes, stage.PeakBytes, stage.LargestBytes, stage.OutputBytes)));

        // With the norms out of the way, only parameters are left to freeze, and all of a stage is frozen by them.
        var lower = ModuleTree.Of(network).Selection.Stages[1];
        var plan = new FreezePlan().Parameters($"stage:..{lower}", trained: false).Preview(network);
        Assert.Equal(staged.Stages[2].Name, plan.FrostLine);
        Assert.Empty(plan.Warnings);

        FrozenBatchNorm.Revert(network);
        Assert.Equal(names, Names());
        foreach (var tensor in prints.Names) Assert.Equal(prints.Find(tensor), Fingerprints.Of(network).Find(tensor));

        (Tensor Logits, Tensor Gradient) Run()
        {
            image.grad = null;
            var output = network.call(image);
            output.square().sum().backward();
            return (output.detach(), image.grad!.clone());
        }

        List<string> Names() => [.. ModuleTree.Of(network).Tensors.Select(entry => entry.Name)];
    }

    [Fact]
    public void Only_the_frozen_stages_are_converted()
    {
        using var network = TestNetworks.Create("resnet18", classes: 7);
        var names = FrozenBatchNorm.Replace(network, "stage:..layer3");
        Assert.Equal(15, names.Count);
        Assert.Equal("bn1", names[0]);
        Assert.DoesNotContain(names, name => name.StartsWith("layer4", StringComparison.Ordinal));
        Assert.Equal(5, ModuleTree.Of(network).Modules.Count(entry => entry.Module is TorchSharp.Modules.BatchNorm2d));
    }
}
