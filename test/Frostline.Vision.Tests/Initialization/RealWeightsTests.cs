using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using Frostline.Vision.Networks;
using Xunit;

namespace Frostline.Vision.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class RealWeightsTests
{
    private const string ResNet20 = "data/resnet20-cifar10/resnet20-12fca82f.th";

    [Fact]
    public void The_legacy_ResNet20_loads_as_it_is()
    {
        using var network = new CifarResNet();
        using var checkpoint = Checkpoint.Open(Fixtures.PathOf(ResNet20));
        var report = new InitializationPlan()
            .Load("**", checkpoint, KeyMap.Identity.StripPrefix("module."))
            .Require("**", 1)
            .Apply(network, 0);

        Assert.Equal(97, report.Loaded.Count);
        Assert.Empty(report.Missing.Concat(report.Unexpected));
        // The file is older than the counters: 19 norms.
        Assert.Equal(["the checkpoint holds no num_batches_tracked; 19 of them set to 0"], report.Loads[0].Remarks);
        Assert.Equal(19, report.Set.Count);
        Assert.All(report.Tensors, tensor => Assert.Null(report.DoubtOf(tensor.Name)));
        foreach (var tensor in ModuleTree.Of(network).Tensors.Where(t => checkpoint.TryFind("module." + t.Name, out _)))
            Assert.Equal(checkpoint.Read("module." + tensor.Name), TensorBytes.Read(tensor.Tensor));
    }

    [Fact]
    public void Without_the_prefix_rule_the_error_names_it()
    {
        using var network = new CifarResNet();
        using var checkpoint = Checkpoint.Open(Fixtures.PathOf(ResNet20));
        var error = Assert.Throws<InitializationException>(
            () => new InitializationPlan().Load("**", checkpoint).Apply(network, 0));
        Assert.StartsWith(
            "load \"resnet20-12fca82f.th\" into \"**\": the checkpoint holds 0 of ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(
            "the file has \"module.conv1.weight\": strip the prefix \"module.\"", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data/squeezenet1_0/squeezenet1_0.safetensors")]
    [InlineData("data/squeezenet1_0/squeezenet1_0.pth")]
    public void SqueezeNet_takes_a_backbone_and_draws_its_head(string file)
    {
        using var network = new SqueezeNet(SqueezeNetVersion.V1_0, classes: 2);
        using var checkpoint = Checkpoint.Open(Fixtures.PathOf(file));
        var report = new InitializationPlan()
            .Draw("**", InitializationScheme.SqueezeNet)
            .Load("features", checkpoint)
            .Apply(network, 7);
        Assert.Equal(50, report.Loaded.Count);
        Assert.Equal(["classifier.1.weight", "classifier.1.bias"], report.Drawn.Select(t => t.Name));
        Assert.Equal(["outside \"features\"", "outside \"features\""], report.Skipped.Select(s => s.Detail));

        // The whole network refuses a head of another size, by name and shapes.
        var error = Assert.Throws<InitializationException>(
            () => new InitializationPlan().Load("**", checkpoint).Apply(network, 7));
        Assert.Contains(
            "classifier.1.weight is [2, 512, 1, 1] in the network and [1000, 512, 1, 1] in the file",
            error.Message,
            StringComparison.Ordinal);
    }
}
