using Frostline.Freezing;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Tests.Networks;
using Xunit;
using static Frostline.Testing.ImageInputs;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class FrozenPrefixTests
{
    public static TheoryData<string, string> Networks => new()
    {
        { "resnet18", "fc" }, { "resnet18", "layer4 | fc" }, { "resnet50", "fc" }, { "cifar-resnet20", "linear" }, { "squeezenet1_0", "classifier" }, { "squeezenet1_1", "classifier | features.12" },
        { "hrnet-w18-small-v1", "classifier" }, { "hrnet-w18-small-v1", "stage4 | incre_modules | downsamp_modules | final_layer | classifier" },
    };

    [Theory]
    [MemberData(nameof(Networks))]
    public void The_compiled_prefix_and_the_suffix_are_the_network(string name, string trained)
    {
        using var network = TestNetworks.Create(name, 5);
        DeterministicFill.Fill(network);
        using var frozen = new FreezePlan().Freeze($"!({trained})").Train(trained, NormPolicy.Hold, dropout: false).Apply(network, allowRandom: true);
        network.train();
        var prefix = FrozenPrefix.Find(frozen, null, out var reason)!;
        Assert.Null(reason);
        Assert.Equal(frozen.FrostLine, prefix.FrostLine);
        using var scope = NewDisposeScope();
        var inputs = Named(DeterministicFill.Input("prefix", 2, 3, 64, 64));
        using var engine = prefix.Compile(Shapes(inputs));
        Assert.Equal("libtorch", engine.Name);
        var error = FrozenPrefix.RelativeError(engine, prefix.Plain(), inputs);
        Assert.InRange(error, 0, 2e-6);

        // Everything from the compiled features on: what the network itself puts out.
        using var noGrad = no_grad();
        var features = engine.Run(inputs);
        Assert.Equal(prefix.Schedule.Outputs, features.Keys);
        var logits = StagedForward.Run(prefix.Suffix!, features)["logits"];
        var expected = StagedForward.Run((IStagedNetwork)network, inputs)["logits"];
        Assert.True(((logits - expected).abs().max() / expected.std()).item<float>() < 1e-5);
    }

    [Fact]
    public void Other_sizes_are_compiled_when_they_come()
    {
        using var network = TestNetworks.Create("resnet18", 5);
        DeterministicFill.Fill(network);
        using var frozen = new FreezePlan().Freeze("!fc").Apply(network, allowRandom: true);
        var prefix = FrozenPrefix.Find(frozen, null, out _)!;
        using var scope = NewDisposeScope();
        using var engine = prefix.Compile(Shapes(Named(DeterministicFill.Input("a", 2, 3, 32, 32))));
        foreach (var size in new[] { 40L, 48, 64, 72, 80, 32 })
            Assert.InRange(FrozenPrefix.RelativeError(engine, prefix.Plain(), Named(DeterministicFill.Input("b", 1, 3, size, size + 8))), 0, 2e-6);
    }

    [Fact]
    public void The_prefix_moves_with_the_plan_and_says_why_there_is_none()
    {
        using var network = TestNetworks.Create("resnet18", 5);
        using var frozen = new FreezePlan().Freeze("!fc").Apply(network, allowRandom: true);
        Assert.Equal(["stem", "layer1", "layer2", "layer3", "layer4", "pool"], FrozenPrefix.Find(frozen, null, out _)!.Schedule.Stages.Select(stage => stage.Name));
        // What nobody above needs does not run.
        var tap = FrozenPrefix.Find(frozen, ["layer2"], out _)!;
        Assert.Equal(["stem", "layer1", "layer2"], tap.Schedule.Stages.Select(stage => stage.Name));
        Assert.Empty(tap.Suffix!.Stages);
        frozen.Update(new FreezePlan().Freeze("!(fc | layer4)"));
        Assert.Equal("layer3", FrozenPrefix.Find(frozen, null, out _)!.Schedule.Stages[^1].Name);
        Assert.Equal(["layer3"], FrozenPrefix.Find(frozen, null, out _)!.Schedule.Outputs);
        frozen.Update(new FreezePlan().Freeze("layer3"));
        Assert.Null(FrozenPrefix.Find(frozen, null, out var reason));
        Assert.Contains("stem", reason);
        frozen.Dispose();

        using var plain = nn.Sequential(nn.Linear(2, 2));
        using var other = new FreezePlan().Apply(plain, allowRandom: true);
        Assert.Null(FrozenPrefix.Find(other, null, out reason));
        Assert.Equal("the network does not show its stages", reason);
    }

    [Fact]
    public void A_prefix_that_cannot_be_recorded_runs_plainly_and_has_an_identity_all_the_same()
    {
        var (body, head) = (nn.Linear(3, 3), nn.Linear(3, 2));
        using var network = new StagedAdapter(
            nn.Sequential(("body", body), ("head", head)),
            [Stage.FromFunction("body", "image", [body], body.call), Stage.FromFunction("head", "body", [head], head.call, write: "logits")]);
        using var frozen = new FreezePlan().Freeze("body").Apply(network, allowRandom: true);
        var prefix = FrozenPrefix.Find(frozen, null, out _)!;
        using var scope = NewDisposeScope();
        var inputs = Named(randn(2, 3));
        Assert.Contains("\"body\" is opaque", Assert.Throws<NotCompilableException>(() => prefix.Compile(Shapes(inputs))).Message);
        Assert.Equal(0, FrozenPrefix.RelativeError(prefix.Plain(), prefix.Plain(), inputs));
        var identity = prefix.Identity(Shapes(inputs));
        Assert.Equal(identity, prefix.Identity(Shapes(Named(randn(5, 3)))));
        using (no_grad()) head.bias!.add_(tensor(1f));
        Assert.Equal(identity, prefix.Identity(Shapes(inputs)));
        using (no_grad()) body.bias!.add_(tensor(1f));
        Assert.NotEqual(identity, prefix.Identity(Shapes(inputs)));
    }
}
