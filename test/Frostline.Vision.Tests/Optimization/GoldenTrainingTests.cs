using System.Text.Json;
using Frostline.Freezing;
using Frostline.Optimization;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Optimization;

/// <summary>Three steps of ResNet-18, layer4 and fc trained, the rest frozen, against PyTorch's numbers.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class GoldenTrainingTests
{
    [Theory]
    [InlineData("train_sgd")]
    [InlineData("train_adamw")]
    [InlineData("train_sgd_bn_drift")]
    public void ThreeStepsAgreeWithPyTorch(string name)
    {
        using var golden = Golden.Open($"golden/{name}.safetensors");
        using var summary = JsonDocument.Parse(File.ReadAllText(Fixtures.PathOf("golden/train_summary.json")));
        var expected = summary.RootElement.GetProperty(name);
        var table = expected.GetProperty("f32_vs_f64_max_rel_to_std");
        using var network = DeterministicFill.Fill(new ResNet(ResNetDepth.ResNet18, 10));
        var before = NetworkEntries.Of(network).ToDictionary(e => e.Name, e => e.Tensor.detach().clone(), StringComparer.Ordinal);
        using var frozen = Plan(name).Apply(network, allowRandom: true);

        Train(network, frozen, name, golden, float32, key =>
            // PyTorch's own float32 differs from its float64 by this; another build may differ a few times as much.
            Math.Max(1e-5, 5 * (table.TryGetProperty(key, out var value) ? value.GetDouble() : 0)));

        var changed = NetworkEntries.Of(network).Where(e => !e.Tensor.Equals(before[e.Name])).Select(e => e.Name);
        Assert.Equal(expected.GetProperty("changed_entries").EnumerateArray().Select(e => e.GetString()!), changed);
        var audit = frozen.Audit();
        Assert.Equal(90, audit.FrozenTensors);
        Assert.Equal(name == "train_sgd_bn_drift" ? 45 : 0, audit.Moved.Count);
        Assert.All(audit.Moved, moved => Assert.Matches(@"\.(running_mean|running_var|num_batches_tracked)$", moved.Name));
    }

    [Theory]
    [InlineData("train_sgd")]
    [InlineData("train_adamw")]
    [InlineData("train_sgd_bn_drift")]
    public void InFloat64TheyAgreeToManyDigits(string name)
    {
        using var golden = Golden.Open($"golden/{name}.safetensors");
        using var network = new ResNet(ResNetDepth.ResNet18, 10);
        network.to(float64);
        DeterministicFill.Fill(network);
        using var frozen = Plan(name).Apply(network, allowRandom: true);
        Train(network, frozen, name, golden, float64, _ => 1e-8);
    }

    private static FreezePlan Plan(string name) => name == "train_sgd_bn_drift"
        ? new FreezePlan().Parameters("**", trained: false).Parameters("layer4 | fc", trained: true)
        : new FreezePlan().Freeze("**").Train("layer4 | fc");

    private static OptimizerSettings Settings(string name) => name == "train_adamw"
        ? Optimizers.AdamW(learningRate: 1e-3)
        : Optimizers.Sgd(learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4);

    private static void Train(ResNet network, FrozenModel frozen, string name, Golden golden, ScalarType type, Func<string, double> tolerance)
    {
        using var optimizer = frozen.Optimizer(Settings(name));
        using var scope = NewDisposeScope();
        var input = DeterministicFill.Input("train_x", 8, 3, 64, 64).to(type);
        var labels = golden["labels"];
        for (var step = 1; step <= 3; step++)
        {
            network.train();
            optimizer.ZeroGrad();
            var logits = network.forward(input);
            var loss = nn.functional.cross_entropy(logits, labels);
            loss.backward();
            Compare("logits", logits);
            if (step == 1)
            {
                foreach (var (parameter, _) in optimizer.Parameters.Select(p => (p.Name, p.Parameter))) Compare($"grad.{parameter}", Parameter(parameter).grad!);
            }

            frozen.Verify();
            optimizer.Step();
            foreach (var (entry, tensor) in NetworkEntries.Of(network)) Compare(entry, tensor);
            var losses = golden[type == float64 ? "losses_f64" : "losses"][step - 1].to(float64).item<double>();
            Assert.Equal(losses, loss.to(float64).item<double>(), type == float64 ? 1e-9 : 1e-5 * losses);

            Tensor Parameter(string wanted) => optimizer.Parameters.Single(p => p.Name == wanted).Parameter;

            void Compare(string entry, Tensor actual)
            {
                var key = $"{(type == float64 ? "f64." : "")}step{step}.{entry}";
                if (golden.Contains($"{key}[first256]")) (key, actual) = ($"{key}[first256]", actual.flatten()[..256]);
                else if (!golden.Contains(key)) return;
                if (actual.numel() > golden[key].numel()) actual = actual.flatten()[..(int)golden[key].numel()];
                if (actual.dtype == int64) Assert.Equal(golden[key].item<long>(), actual.item<long>());
                else golden.AssertClose(key, actual.detach(), tolerance(key));
            }
        }
    }
}
