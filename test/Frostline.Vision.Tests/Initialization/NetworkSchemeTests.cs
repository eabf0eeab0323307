using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using Frostline.Vision.Networks;
using Frostline.Vision.Tests.Networks;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class NetworkSchemeTests
{
    [Theory]
    [InlineData("resnet18")]
    [InlineData("cifar-resnet20")]
    [InlineData("squeezenet1_1")]
    [InlineData("hrnet-w18-small-v1")]
    public void Every_scheme_covers_every_network(string name)
    {
        using var network = TestNetworks.Create(name);
        foreach (var scheme in InitializationScheme.All)
        {
            var report = new InitializationPlan().Draw("**", scheme).Preview(network, 1);
            Assert.Equal(report.Tensors.Count, report.Drawn.Count);
        }
    }

    [Fact]
    public void ResNet_is_drawn_as_torchvision_draws_it()
    {
        using var network = new ResNet(ResNetDepth.ResNet18);
        var report = new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, 3);
        foreach (var tensor in report.Tensors.Where(t => t.Shape.Count == 4))
        {
            var statistics = ((Origin.Drawn)tensor.Origin).Statistics;
            double count = tensor.Shape.Aggregate((a, b) => a * b), fanOut = tensor.Shape[0] * tensor.Shape[2] * tensor.Shape[3];
            var deviation = Math.Sqrt(2 / fanOut);
            // 5 standard errors of a normal sample's mean and deviation.
            Assert.Equal(0, statistics.Mean, 5 * deviation / Math.Sqrt(count));
            Assert.Equal(1, statistics.Deviation / deviation, 5 / Math.Sqrt(2 * count));
        }

        var head = ((Origin.Drawn)report.Find("fc.weight")!.Origin).Statistics;
        Assert.InRange(head.Maximum, 0.999 / Math.Sqrt(512), 1 / Math.Sqrt(512));
        Assert.InRange(head.Minimum, -1 / Math.Sqrt(512), -0.999 / Math.Sqrt(512));
    }

    [Fact]
    public void Zero_residual_makes_every_block_start_as_its_shortcut()
    {
        (ResNetDepth Depth, int Blocks, string Last)[] cases = [(ResNetDepth.ResNet18, 8, "bn2"), (ResNetDepth.ResNet50, 16, "bn3")];
        foreach (var (depth, blocks, last) in cases)
        {
            using var network = new ResNet(depth, classes: 2);
            var report = new InitializationPlan().Draw("**", InitializationScheme.ResNetZeroResidual).Preview(network, 3);
            var zeros = report.Drawn.Where(t => t.Name.EndsWith("weight", StringComparison.Ordinal) && ((Origin.Drawn)t.Origin)
                .Initializer == "zeros").ToList();
            Assert.Equal(blocks, zeros.Count);
            Assert.All(zeros, t => Assert.EndsWith($".{last}.weight", t.Name, StringComparison.Ordinal));
        }

        using var small = new CifarResNet();
        new InitializationPlan().Draw("**", InitializationScheme.ResNetZeroResidual).Apply(small, 3);
        var block = ModuleTree.Of(small).Modules.Single(m => m.Name == "layer1.1").Module;
        using var x = torch.rand(2, 16, 8, 8);
        small.eval();
        using var y = ((torch.nn.Module<torch.Tensor, torch.Tensor>)block).call(x);
        Assert.True(y.Equals(x));
    }
}
