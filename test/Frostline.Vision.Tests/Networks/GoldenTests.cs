using Frostline.Checkpoints;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

/// <summary>Numbers that PyTorch computed. In float32 a wrong epsilon costs 3e-3 of the output's deviation, noise 3e-6.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class GoldenTests
{
    private const double Single = 1e-4;
    private const double Double = 1e-10;

    [Fact]
    public void Every_stage_of_ResNet18_is_PyTorchs()
    {
        using var golden = Golden.Open("golden/resnet18.safetensors");
        using var network = DeterministicFill.Fill(new ResNet(ResNetDepth.ResNet18));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var outputs = StagedForward.Run(network, Image(DeterministicFill.Input("resnet", 1, 3, 64, 64)), [.. network.Stages.SelectMany(s => s.Writes)]);
        foreach (var (stage, key) in new[] { ("stem", "maxpool"), ("layer1", "layer1"), ("layer2", "layer2"), ("layer3", "layer3"), ("layer4", "layer4"), ("pool", "avgpool"), ("logits", "logits") })
            golden.AssertClose(key, outputs[stage], Single);
    }

    [Fact]
    public void ResNet18_in_float64_is_PyTorchs()
    {
        using var golden = Golden.Open("golden/resnet18.safetensors");
        using var network = DeterministicFill.Fill(new ResNet(ResNetDepth.ResNet18)).to(float64);
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        golden.AssertClose("logits_f64", network.forward(DeterministicFill.Input("resnet", 1, 3, 64, 64).to(float64)), Double);
    }

    [Fact]
    public void Filled_CIFAR_ResNet20_is_PyTorchs()
    {
        using var golden = Golden.Open("golden/resnet20_cifar.safetensors");
        using var network = DeterministicFill.Fill(new CifarResNet(20));
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("cifar", 4, 3, 32, 32);
        golden.AssertClose("logits_formula", network.forward(image), Single);
        golden.AssertClose("logits_formula_f64", network.to(float64).forward(image.to(float64)), Double);
    }

    [Fact]
    public void CIFAR_ResNet20_with_its_published_weights_is_PyTorchs()
    {
        using var golden = Golden.Open("golden/resnet20_cifar.safetensors");
        using var network = new CifarResNet(20);

        // A file of an old PyTorch, which did not count batches; and written from a wrapped model.
        RealWeights.Load(network, "data/resnet20-cifar10/resnet20-12fca82f.th", prefix: "module.", countsBatches: false);
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("cifar", 4, 3, 32, 32);
        golden.AssertClose("logits_pretrained", network.forward(image), Single);
        golden.AssertClose("logits_pretrained_f64", network.to(float64).forward(image.to(float64)), Double);
    }

    [Fact]
    public void SqueezeNet_with_its_real_weights_is_PyTorchs()
    {
        using var golden = Golden.Open("golden/squeezenet1_0.safetensors");
        using var network = new SqueezeNet();
        RealWeights.Load(network, "data/squeezenet1_0/squeezenet1_0.safetensors");
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("squeezenet", 2, 3, 227, 227).mul(80);
        var outputs = StagedForward.Run(network, Image(image), ["stem", "fire4", "fire9", "logits"]);
        golden.AssertClose("features.2", EverySixth(outputs["stem"]), Single);
        golden.AssertClose("features.5", EverySixth(outputs["fire4"]), Single);
        golden.AssertClose("features.12", EverySixth(outputs["fire9"]), Single);
        golden.AssertClose("features", outputs["fire9"], Single);
        golden.AssertClose("logits", outputs["logits"], Single);
        golden.AssertClose("logits_f64", network.to(float64).forward(image.to(float64)), Double);
    }

    private static Tensor EverySixth(Tensor map) => map.slice(2, 0, map.shape[2], 6).slice(3, 0, map.shape[3], 6);

    private static Dictionary<string, Tensor> Image(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };
}

/// <summary>Copies a checkpoint's tensors by name, strictly, without the library's initialisation.</summary>
internal static class RealWeights
{
    public static void Load(nn.Module network, string fixture, string prefix = "", bool countsBatches = true)
    {
        using var file = Checkpoint.Open(Fixtures.PathOf(fixture));
        var entries = NetworkEntries.Of(network)
            .Where(entry => countsBatches || !entry.Name.EndsWith("num_batches_tracked", StringComparison.Ordinal))
            .Select(entry => (Name: prefix + entry.Name, entry.Tensor)).ToList();
        Assert.Equal(file.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal), entries.Select(e => e.Name).Order(StringComparer.Ordinal));
        using var guard = torch.no_grad();
        foreach (var (name, tensor) in entries)
        {
            Assert.Equal(file.Find(name).Shape, tensor.shape);
            tensor.bytes = file.Read(name);
        }
    }
}
