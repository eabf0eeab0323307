using System.Text.Json;
using Frostline.Freezing;
using Frostline.Optimization;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Freezing;

/// <summary>
/// Three steps of ResNet-18 with <c>layer4</c> and <c>fc</c> trained, against PyTorch's in float64: what is trained goes where
/// PyTorch goes, and exactly those entries change that change there.
/// </summary>
[Collection(LibTorchCollection.Name)]
public sealed class GoldenTrainingTests
{
    private static readonly string[] s_watched = ["fc.weight", "layer4.1.bn2.weight", "layer4.1.bn2.running_mean"];

    [Fact]
    public void Sgd_with_momentum_and_decay_goes_where_PyTorch_goes() =>
        Check("train_sgd", Plan(), Optimizers.Sgd(0.1, momentum: 0.9, weightDecay: 1e-4), tolerance: 1e-8, s_watched);

    [Fact]
    public void AdamW_goes_where_PyTorch_goes() =>
        // Its first steps are almost the gradient's sign: small gradients make the last digits of large ones.
        Check("train_adamw", Plan(), Optimizers.AdamW(1e-3, weightDecay: 0.01), tolerance: 1e-5, s_watched);

    [Fact]
    public void Freezing_only_parameters_drifts_as_in_PyTorch_and_the_audit_names_all_of_it()
    {
        var plan = new FreezePlan().Parameters("**", trained: false).Parameters("layer4 | fc", trained: true);
        var audit = Check(
            "train_sgd_bn_drift", plan, Optimizers.Sgd(0.1, momentum: 0.9, weightDecay: 1e-4), tolerance: 1e-8,
            [.. s_watched, "bn1.running_mean", "bn1.running_var"]);
        Assert.Equal(45, audit.Moved.Count);
        Assert.Contains("bn1.running_mean", audit.Moved.Select(moved => moved.Name));
        Assert.Contains("layer3.1.bn2.num_batches_tracked", audit.Moved.Select(moved => moved.Name));
        Assert.Contains("45 of ", Assert.Throws<FreezeException>(audit.ThrowIfAnythingMoved).Message);
    }

    [Fact]
    public void The_frost_line_is_the_first_stage_that_can_change()
    {
        using var network = new ResNet(ResNetDepth.ResNet18, classes: 10);
        Assert.Equal("layer4", Plan().Preview(network).FrostLine);
        Assert.Equal("layer4", new FreezePlan().Freeze("stage:..layer3").Preview(network).FrostLine);
        // A single norm that moves is enough.
        Assert.Equal("layer2", new FreezePlan().Freeze("**").Train("layer4").Norm("layer2.0.bn1", NormPolicy.Move).Preview(network).FrostLine);
        Assert.Equal("stem", new FreezePlan().Parameters("**", trained: false).Preview(network).FrostLine);
        Assert.Null(new FreezePlan().Freeze("**").Preview(network).FrostLine);

        var plan = Plan().Preview(network);
        Assert.Equal(plan.Parameters, plan.Stages.Sum(stage => stage.TrainedParameters + stage.FrozenParameters));
        Assert.Equal(plan.Parameters, network.parameters().Sum(parameter => parameter.numel()));
    }

    private static FreezePlan Plan() => new FreezePlan().Freeze("**").Train("layer4 | fc");

    private static FreezeAudit Check(string name, FreezePlan plan, OptimizerSettings settings, double tolerance, string[] watched)
    {
        using var golden = Golden.Open($"golden/{name}.safetensors");
        using var network = DeterministicFill.Fill(new ResNet(ResNetDepth.ResNet18, classes: 10).to(float64));
        using var frozen = plan.Apply(network, allowRandom: true);
        using var optimizer = new NamedOptimizer(
            settings, [new OptimizerGroup("1x", [.. frozen.Trained.Select(trained => new NamedParameter(trained.Name, trained.Parameter))], 1)]);
        using var outer = NewDisposeScope();
        var image = DeterministicFill.Input("train_x", 8, 3, 64, 64).to(float64);
        var labels = golden["labels"];
        for (var step = 1; step <= 3; step++)
        {
            using var scope = NewDisposeScope();
            network.train();
            frozen.Verify();
            optimizer.ZeroGrad();
            var loss = nn.functional.cross_entropy(network.forward(image), labels);
            Assert.Equal(golden["losses_f64"][step - 1].item<double>(), loss.item<double>(), tolerance);
            loss.backward();
            optimizer.Step();
        }

        var state = network.state_dict();
        foreach (var entry in watched) golden.AssertClose($"f64.step3.{entry}", state[entry].detach(), tolerance);

        var after = Fingerprints.Of(network);
        var changed = after.Names.Where(entry => after.Find(entry) != frozen.Fingerprints.Find(entry));
        Assert.Equal(ChangedInPyTorch(name).Order(StringComparer.Ordinal), changed);
        return frozen.Audit();
    }

    private static IEnumerable<string> ChangedInPyTorch(string name)
    {
        using var summary = JsonDocument.Parse(File.ReadAllText(Fixtures.PathOf("golden/train_summary.json")));
        return [.. summary.RootElement.GetProperty(name).GetProperty("changed_entries").EnumerateArray().Select(entry => entry.GetString()!)];
    }
}
