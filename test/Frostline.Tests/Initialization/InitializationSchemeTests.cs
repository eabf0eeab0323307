using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class InitializationSchemeTests
{
    private static string Of(InitializationScheme scheme, nn.Module network, string name) =>
        scheme.Resolve(ModuleTree.Of(network).Selection).TryGetValue(name, out var initializer) ? initializer.ToString() : "";

    [Fact]
    public void PyTorch_knows_its_layers()
    {
        using var network = nn.Sequential(
            ("conv", nn.Conv2d(3, 4, 3)),
            ("up", nn.ConvTranspose2d(4, 4, 3)),
            ("bn", nn.BatchNorm2d(4)),
            ("fc", nn.Linear(4, 4)),
            ("ln", nn.LayerNorm(4)),
            ("gn", nn.GroupNorm(2, 4)),
            ("act", nn.PReLU(1)),
            ("emb", nn.Embedding(4, 4)));
        var scheme = InitializationScheme.PyTorch;
        foreach (var layer in (string[])["conv", "up", "fc"])
        {
            Assert.StartsWith(
                "kaiming-uniform(fan: in, nonlinearity: leaky-relu, slope: 2.236",
                Of(scheme, network, $"{layer}.weight"),
                StringComparison.Ordinal);
            Assert.Equal("fan-in-bias", Of(scheme, network, $"{layer}.bias"));
        }

        foreach (var layer in (string[])["bn", "ln", "gn"])
        {
            Assert.Equal("ones", Of(scheme, network, $"{layer}.weight"));
            Assert.Equal("zeros", Of(scheme, network, $"{layer}.bias"));
        }

        Assert.Equal(
            ("zeros", "ones", "zeros"),
            (Of(scheme, network, "bn.running_mean"), Of(scheme, network, "bn.running_var"),
                Of(scheme, network, "bn.num_batches_tracked")));
        Assert.Equal("constant(value: 0.25)", Of(scheme, network, "act.weight"));
        Assert.Equal("normal(mean: 0, deviation: 1)", Of(scheme, network, "emb.weight"));
        // It covers everything, and a module that is itself the root has no prefix.
        new InitializationPlan().Draw("**", scheme).Apply(network, 1);
        Assert.Equal("fan-in-bias", Of(scheme, nn.Linear(2, 2), "bias"));
    }

    [Fact]
    public void Ranges_equal_those_of_the_layers_own_constructors()
    {
        // TorchSharp's layers are drawn by libtorch as PyTorch does; 5 standard errors of a uniform distribution's deviation.
        using var network = nn.Sequential(
            ("conv", nn.Conv2d(64, 64, 3)), ("up", nn.ConvTranspose2d(64, 32, 3)), ("fc", nn.Linear(300, 200)));
        string[] names = ["conv.weight", "up.weight", "fc.weight"];
        var theirs = names.Select(name => Networks.Floats(network, name)).ToList();
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, 3);
        foreach (var (name, other) in names.Zip(theirs))
        {
            var ours = Networks.Floats(network, name);
            Assert.NotEqual(other, ours);
            Assert.Equal(1, ours.Max() / other.Max(), 1e-2);
            // The square of a uniform number has the relative variance 0.8.
            Assert.Equal(1, ours.Average(v => v * v) / other.Average(v => v * v), 5 * Math.Sqrt(2 * 0.8 / ours.Length));
        }
    }

    [Fact]
    public void ResNet_draws_by_fan_out_and_zeroes_last_norms_on_request()
    {
        using var basic = nn.Sequential(("conv1", nn.Conv2d(3, 4, 3)), ("bn1", nn.BatchNorm2d(4)), ("bn2", nn.BatchNorm2d(4)));
        using var bottleneck = nn.Sequential(("bn1", nn.BatchNorm2d(4)), ("bn2", nn.BatchNorm2d(4)), ("bn3", nn.BatchNorm2d(4)));
        using var layer = nn.Sequential(basic, bottleneck);
        using var network = nn.Sequential(("bn1", nn.BatchNorm2d(4)), ("layer1", layer), ("fc", nn.Linear(4, 4)));
        Assert.Equal(
            "kaiming-normal(fan: out, nonlinearity: relu)", Of(InitializationScheme.ResNet, network, "layer1.0.conv1.weight"));
        Assert.StartsWith("kaiming-uniform", Of(InitializationScheme.ResNet, network, "fc.weight"), StringComparison.Ordinal);
        var zeros = InitializationScheme.ResNetZeroResidual.Resolve(ModuleTree.Of(network).Selection)
            .Where(pair => pair.Key.EndsWith("weight", StringComparison.Ordinal) && pair.Value == Constant.Zeros)
                .Select(pair => pair.Key);
        Assert.Equal(["layer1.0.bn2.weight", "layer1.1.bn3.weight"], zeros.Order(StringComparer.Ordinal));
        Assert.Equal("ones", Of(InitializationScheme.ResNet, network, "layer1.0.bn2.weight"));
    }

    [Fact]
    public void SqueezeNet_treats_its_classifier_apart()
    {
        using var network = nn.Sequential(
            ("features", nn.Sequential(nn.Conv2d(3, 4, 3))),
            ("classifier", nn.Sequential(nn.Dropout(), nn.Conv2d(4, 2, 1))));
        var scheme = InitializationScheme.Find("squeezenet");
        Assert.Equal("kaiming-uniform(fan: in, nonlinearity: leaky-relu, slope: 0)", Of(scheme, network, "features.0.weight"));
        Assert.Equal("normal(mean: 0, deviation: 0.01)", Of(scheme, network, "classifier.1.weight"));
        Assert.Equal("zeros", Of(scheme, network, "features.0.bias"));
        Assert.Equal("zeros", Of(scheme, network, "classifier.1.bias"));
    }

    [Fact]
    public void HRNet_draws_convolutions_small_and_norms_as_the_identity()
    {
        using var network = nn.Sequential(
            ("conv1", nn.Conv2d(3, 4, 3, bias: false)),
            ("bn1", nn.BatchNorm2d(4)),
            ("up", nn.ConvTranspose2d(4, 4, 4)),
            ("final_layer", nn.Conv2d(4, 17, 1)));
        var scheme = InitializationScheme.Find("hrnet");
        foreach (var weight in new[] { "conv1.weight", "up.weight", "final_layer.weight" })
            Assert.Equal("normal(mean: 0, deviation: 0.001)", Of(scheme, network, weight));
        Assert.Equal("ones", Of(scheme, network, "bn1.weight"));
        foreach (var zero in new[] { "bn1.bias", "up.bias", "final_layer.bias" }) Assert.Equal("zeros", Of(scheme, network, zero));
    }

    [Fact]
    public void Networks_bring_their_own_by_adding_to_one()
    {
        using var network = new SmallNetwork();
        var mine = InitializationScheme.PyTorch.Named("mine").Add("fc.weight", new Normal(0, 0.02));
        Assert.Equal("normal(mean: 0, deviation: 0.02)", Of(mine, network, "fc.weight"));
        Assert.StartsWith("kaiming-uniform", Of(InitializationScheme.PyTorch, network, "fc.weight"), StringComparison.Ordinal);
        Assert.Contains(
            "did you mean \"resnet\"",
            Assert.Throws<InitializationException>(() => InitializationScheme.Find("restnet")).Message,
            StringComparison.Ordinal);
    }
}
