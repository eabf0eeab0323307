using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

[Collection(LibTorchCollection.Name)]
public sealed class InputTests
{
    [Theory]
    [InlineData("resnet18", new long[] { 1, 4, 32, 32 }, "3 channels but gets [1, 4, 32, 32]")]
    [InlineData("resnet18", new long[] { 1, 32, 32, 3 }, "channels come before height and width")]
    [InlineData("cifar-resnet20", new long[] { 3, 32, 32 }, "add the batch dimension")]
    [InlineData("squeezenet1_0", new long[] { 1, 3, 20, 64 }, "at least 21 x 21 pixels")]
    [InlineData("squeezenet1_1", new long[] { 1, 3, 64, 16 }, "at least 17 x 17 pixels")]
    public void A_shape_that_does_not_fit_is_refused(string name, long[] shape, string message)
    {
        using var network = TestNetworks.Create(name);
        using var image = torch.zeros(shape);
        Assert.Contains(message, Assert.Throws<FrostlineException>(() => network.forward(image)).Message, StringComparison.Ordinal);
        Assert.Contains(message, Assert.Throws<FrostlineException>(() => NetworkCost.Of((IStagedNetwork)network, shape)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("resnet18", 1)]
    [InlineData("cifar-resnet20", 1)]
    [InlineData("squeezenet1_0", 21)]
    [InlineData("squeezenet1_1", 17)]
    public void The_smallest_size_works(string name, long size)
    {
        using var network = TestNetworks.Create(name, classes: 3);
        network.eval();
        using var scope = NewDisposeScope();
        Assert.Equal([2L, 3], network.forward(torch.zeros(2, 3, size, size)).shape);
    }

    [Fact]
    public void Classes_and_channels_are_options()
    {
        Assert.True(TestNetworks.Registry.Networks.TryGet("resnet18", out var entry));
        var options = new ImageClassifierOptions { InputChannels = 1 };
        var classes = new ClassMap(["cat", "dog", "eel"]);
        using var network = (ResNet)entry.Create(options, new BuildContext { Folder = ".", Classes = classes });
        using var scope = NewDisposeScope();
        Assert.Equal([2L, 3], network.forward(torch.zeros(2, 1, 32, 32)).shape);
        Assert.Contains("\"classes:\"", Assert.Throws<FrostlineException>(() => entry.Create(options, new BuildContext { Folder = "." })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_out_of_range_are_refused()
    {
        Assert.Throws<FrostlineException>(() => new ResNet(ResNetDepth.ResNet18, classes: 0));
        Assert.Throws<FrostlineException>(() => new SqueezeNet(inputChannels: 0));
        Assert.Throws<FrostlineException>(() => new SqueezeNet(dropout: double.NaN));
        Assert.Contains("6n + 2", Assert.Throws<FrostlineException>(() => new CifarResNet(21)).Message, StringComparison.Ordinal);
        Assert.Contains("a width of 15", Assert.Throws<FrostlineException>(() => new CifarResNet(20, width: 15)).Message, StringComparison.Ordinal);
    }
}
