using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class StagedForwardTests
{
    [Fact]
    public void The_composition_is_the_forward()
    {
        using var network = new TwoHeads();
        network.eval();
        using var image = torch.randn(2, 3, 8, 8);
        using var expected = network.head.forward(network.body.forward(image).flatten(1));
        using var logits = network.forward(image);
        Assert.True(logits.allclose(expected, 1e-6, 1e-6));
    }

    [Fact]
    public void Only_what_an_output_needs_runs()
    {
        using var network = new TwoHeads();
        using var image = torch.randn(2, 3, 8, 8);
        using var other = StagedForward.Run(network, Named("image", image), ["other"])["other"];
        Assert.Equal(["body", "other"], network.Ran);
    }

    [Fact]
    public void Taps_come_out_beside_outputs()
    {
        using var network = new TwoHeads();
        using var image = torch.randn(2, 3, 8, 8);
        var outputs = StagedForward.Run(network, Named("image", image), ["body", "logits"]);
        Assert.Equal(["body", "logits"], outputs.Keys);
        Assert.Equal([2L, 4, 8, 8], outputs["body"].shape);
        foreach (var tensor in outputs.Values) tensor.Dispose();
    }

    [Fact]
    public void A_prefix_and_its_suffix_are_the_whole()
    {
        using var network = new TwoHeads();
        network.eval();
        using var scope = torch.NewDisposeScope();
        var image = torch.randn(2, 3, 8, 8);
        var prefix = StageSchedule.Prefix(network, "head");
        var suffix = StageSchedule.Suffix(network, "head");
        Assert.Equal(["body"], prefix.Stages.Select(s => s.Name));
        Assert.Equal(["body"], prefix.Outputs);
        Assert.Equal(["body"], suffix.Inputs);
        var features = StagedForward.Run(prefix, Named("image", image));
        var logits = StagedForward.Run(suffix, features)["logits"];
        Assert.True(logits.Equals(network.forward(image)));
    }

    [Fact]
    public void Nothing_but_the_outputs_survives_and_inputs_are_borrowed()
    {
        using var network = new TwoHeads();
        using var image = torch.randn(2, 3, 8, 8);
        using (network.forward(image))
        {
        }

        var before = LiveTensors.CountWithoutGarbage();
        var result = network.forward(image);
        Assert.Equal(before + 1, torch.Tensor.TotalCount);
        Assert.False(image.IsInvalid);
        result.Dispose();
        Assert.Equal(before, torch.Tensor.TotalCount);
    }

    [Fact]
    public void Gradients_reach_every_stage_although_intermediates_are_disposed()
    {
        using var network = new TwoHeads();
        using var scope = torch.NewDisposeScope();
        network.train();
        network.forward(torch.randn(2, 3, 8, 8)).sum().backward();
        Assert.All(network.named_parameters().Where(p => !p.name.StartsWith("second", StringComparison.Ordinal)), p => Assert.NotNull(p.parameter.grad));
        Assert.Equal(1, network.norm.num_batches_tracked!.WholeNumber());
        Assert.False(network.norm.running_mean!.IsInvalid);
    }

    [Fact]
    public void A_failure_in_a_stage_leaves_no_tensor_behind()
    {
        using var network = new TwoHeads { Fails = true };
        using var image = torch.randn(2, 3, 8, 8);
        var before = LiveTensors.CountWithoutGarbage();
        Assert.Throws<FrostlineException>(() => network.forward(image));
        Assert.Equal(before, torch.Tensor.TotalCount);
    }

    [Fact]
    public void Stages_of_a_child_become_stages_of_its_parent_under_other_names()
    {
        using var parent = new Parent();
        using var scope = torch.NewDisposeScope();
        var image = torch.randn(2, 3, 8, 8);
        Assert.Equal(["child.body", "child.head", "child.other"], parent.Stages.Select(stage => stage.Name));
        Assert.Equal(("child.body", "child.logits", 3), (parent.Stages[1].Reads.Single(), parent.Stages[1].Writes.Single(), parent.Stages[1].RowsPerSample));
        Assert.True(parent.forward(image).Equals(parent.child.forward(image)));
    }

    [Fact]
    public void What_is_handed_through_is_a_tensor_of_its_own()
    {
        using var network = new TwoHeads();
        using var image = torch.randn(2, 3, 8, 8);
        var through = StagedForward.Run(network, Named("image", image), ["image"])["image"];
        through.Dispose();
        Assert.False(image.IsInvalid);
    }

    [Fact]
    public void A_missing_input_and_an_unknown_output_are_named()
    {
        using var network = new TwoHeads();
        using var image = torch.randn(2, 3, 8, 8);
        var missing = Assert.Throws<FrostlineException>(() => StagedForward.Run(network, Named("picture", image)));
        Assert.Contains("\"image\"", missing.Message, StringComparison.Ordinal);
        var unknown = Assert.Throws<FrostlineException>(() => StagedForward.Run(network, Named("image", image), ["logit"]));
        Assert.Contains("did you mean \"logits\"", unknown.Message, StringComparison.Ordinal);
        var stage = Assert.Throws<FrostlineException>(() => StageSchedule.Prefix(network, "haed"));
        Assert.Contains("did you mean \"head\"", stage.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, Tensor> Named(string name, Tensor tensor) => new(StringComparer.Ordinal) { [name] = tensor };

    private sealed class Parent : nn.Module<Tensor, Tensor>, IStagedNetwork
    {
        public readonly TwoHeads child = new();

        public Parent()
            : base(nameof(Parent))
        {
            register_module("child", child);
            Stages = [.. child.Stages.Select(stage => stage.Renamed($"child.{stage.Name}", name => name == "image" ? name : $"child.{name}", rowsPerSample: 3))];
        }

        public IReadOnlyList<Stage> Stages { get; }

        public IReadOnlyList<string> Inputs => ["image"];

        public IReadOnlyList<string> Outputs => ["child.logits"];

        public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
    }

    private sealed class TwoHeads : nn.Module<Tensor, Tensor>, IStagedNetwork
    {
        public readonly Sequential body;
        public readonly BatchNorm2d norm;
        public readonly Linear head;
        public readonly Linear second;

        public TwoHeads()
            : base(nameof(TwoHeads))
        {
            norm = nn.BatchNorm2d(4);
            body = nn.Sequential(("conv", nn.Conv2d(3, 4, 3, padding: 1)), ("bn", norm), ("relu", nn.ReLU()));
            head = nn.Linear(4 * 8 * 8, 5);
            second = nn.Linear(4 * 8 * 8, 2);
            register_module("body", body);
            register_module("head", head);
            register_module("second", second);
            Stages =
            [
                new Stage("body", "image", [body], (operations, x) => Note("body", operations.Call(body, x))),
                new Stage("head", "body", [head], Head, write: "logits"),
                new Stage("other", "body", [second], (operations, x) => Note("other", operations.Linear(second, operations.Flatten(x)))),
            ];
        }

        public bool Fails { get; init; }

        public List<string> Ran { get; } = [];

        public IReadOnlyList<Stage> Stages { get; }

        public IReadOnlyList<string> Inputs => ["image"];

        public IReadOnlyList<string> Outputs => ["logits"];

        public override Tensor forward(Tensor input) => StagedForward.Run(this, input);

        private Value Head(Operations operations, Value x)
        {
            var flat = operations.Flatten(x);
            if (Fails) throw new FrostlineException("the head fails");
            return Note("head", operations.Linear(head, flat));
        }

        private Value Note(string stage, Value value)
        {
            Ran.Add(stage);
            return value;
        }
    }
}
