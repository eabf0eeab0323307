using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class InitializationPlanTests
{
    private static string Message(Action action) => Assert.ThrowsAny<FrostlineException>(action).Message;

    [Fact]
    public void Last_match_wins_and_everything_has_one_origin()
    {
        using var network = new SmallNetwork();
        var report = new InitializationPlan()
            .Draw("**", InitializationScheme.PyTorch)
            .Set("fc", 2)
            .Draw("fc.bias", new Normal())
            .Keep("conv.**")
            .Set("conv.weight", 0.5)
            .Apply(network, seed: 7);

        Assert.Equal(ModuleTree.Of(network).Tensors.Select(t => t.Name), report.Tensors.Select(t => t.Name));
        Assert.Equal(new Origin.Set(2), report.Find("fc.weight")!.Origin);
        Assert.Equal("set \"fc\" to 2", report.Find("fc.weight")!.Rule);
        Assert.Equal("normal(mean: 0, deviation: 1)", Assert.IsType<Origin.Drawn>(report.Find("fc.bias")!.Origin).Initializer);
        Assert.Equal(new Origin.Set(0.5), report.Find("conv.weight")!.Origin);
        Assert.All(Networks.Floats(network, "conv.weight"), v => Assert.Equal(0.5f, v));
        Assert.Equal("zeros", Assert.IsType<Origin.Drawn>(report.Find("bn.num_batches_tracked")!.Origin).Initializer);
        Assert.Equal(new Origin.Kept(), report.Find("grid")!.Origin);
        Assert.Equal(TensorProvenance.NoRule, report.Find("grid")!.Rule);
        Assert.False(report.Find("grid")!.Persistent);
        Assert.Null(report.DoubtOf("grid"));
        Assert.Equal([0, 1, 2, 3, 4], Networks.Floats(network, "grid"));
    }

    [Fact]
    public void Statistics_are_those_of_the_stored_values()
    {
        using var network = new SmallNetwork(classes: 1000);
        network.to(torch.bfloat16);
        var report = new InitializationPlan().Draw("fc.weight", new Normal(1, 2)).Apply(network, 7);
        var statistics = Assert.IsType<Origin.Drawn>(report.Find("fc.weight")!.Origin).Statistics;
        var weight = ModuleTree.Of(network).Find("fc.weight")!.Tensor.to(torch.float64);
        Assert.Equal(weight.mean().item<double>(), statistics.Mean, 1e-9);
        Assert.Equal(weight.std(unbiased: false).item<double>(), statistics.Deviation, 1e-9);
        Assert.Equal(weight.min().item<double>(), statistics.Minimum);
        Assert.Equal(weight.max().item<double>(), statistics.Maximum);
    }

    [Fact]
    public void A_rule_that_matches_nothing_is_an_error_with_a_suggestion()
    {
        using var network = new SmallNetwork();
        var before = Networks.Values(network);
        Assert.Contains(
            "did you mean \"fc.weight\"",
            Message(() => new InitializationPlan().Set("fc.weigth", 1).Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "\"con\"",
            Message(() => new InitializationPlan().Set("fc", 1).CopyFrom("con", "bn").Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "matches nothing",
            Message(() => new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Keep("head.**").Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "matches nothing",
            Message(() => new InitializationPlan().Require("head.**", 1).Apply(network, 1)),
            StringComparison.Ordinal);
        Networks.AssertEqual(before, Networks.Values(network));
        Assert.Throws<SelectionException>(() => new InitializationPlan().Keep("(a"));
    }

    [Fact]
    public void An_error_says_which_rule_is_wrong()
    {
        using var network = new SmallNetwork();
        InitializationException Error(InitializationPlan plan) => Assert.Throws<InitializationException>(() => plan.Apply(network, 1));

        var unknown = Error(new InitializationPlan().Keep("fc").Keep("fcc").Keep("**"));
        Assert.Equal(1, unknown.Rule);
        Assert.Equal(unknown.InnerException!.Message, unknown.Message);
        Assert.IsType<SelectionException>(unknown.InnerException);
        Assert.Equal(2, Error(new InitializationPlan().Keep("fc").Keep("fc").Draw("**", new Eye())).Rule);
        Assert.Equal(0, Error(new InitializationPlan().Draw("**", new InitializationScheme("empty")).Keep("fc")).Rule);
        Assert.Equal(1, Error(new InitializationPlan().Keep("conv").CopyFrom("bn.weight", "bn.bias").CopyFrom("bn.bias", "bn.weight")).Rule);
        Assert.Null(Error(new InitializationPlan().Keep("**").Require("fc", 1)).Rule);
    }

    [Fact]
    public void A_draw_depends_on_seed_and_name_only()
    {
        using var network = new SmallNetwork();
        using var longer = new SmallNetwork(withExtra: true);
        using var reordered = new SmallNetwork();
        using var otherSeed = new SmallNetwork();
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, 7);
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(longer, 7);
        new InitializationPlan().Draw("fc", InitializationScheme.PyTorch).Draw("bn", InitializationScheme.PyTorch)
            .Draw("conv", InitializationScheme.PyTorch).Apply(reordered, 7);
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(otherSeed, 8);

        var (values, with, again, other) = (
            Networks.Values(network), Networks.Values(longer), Networks.Values(reordered), Networks.Values(otherSeed));
        foreach (var name in values.Keys)
        {
            Assert.Equal(values[name], with[name]);
            Assert.Equal(values[name], again[name]);
        }

        Assert.NotEqual(values["conv.weight"], other["conv.weight"]);
        Assert.NotEqual(values["fc.bias"], other["fc.bias"]);
        // What a tensor draws is known outside of any network.
        var expected = new double[1];
        new KaimingUniform(slope: Math.Sqrt(5)).Fill(
            new InitializationTarget(new TensorInfo("fc.weight", TensorType.Float32, [3, 4])), expected,
                new CounterRandom(7, "fc.weight"));
        Assert.Equal((float)expected[0], Networks.Floats(network, "fc.weight")[0]);
    }

    [Fact]
    public void Parameters_stay_the_same_objects()
    {
        using var source = new SmallNetwork();
        using var network = new SmallNetwork();
        var parameter = network.Head.weight!;
        var (handle, address) = (parameter.Handle, parameter.data<float>()[0]);
        using var checkpoint = Networks.Checkpoint(source);
        new InitializationPlan().Load("**", checkpoint).Apply(network, 0);
        Assert.Same(parameter, network.Head.weight);
        Assert.Equal(handle, network.Head.weight!.Handle);
        Assert.NotEqual(address, network.Head.weight.data<float>()[0]);
        Assert.True(parameter.requires_grad);
        Networks.AssertEqual(Networks.Values(source), Networks.Values(network));
    }

    [Fact]
    public void Preview_changes_nothing_and_checks_everything()
    {
        using var source = new SmallNetwork();
        using var network = new SmallNetwork();
        using var checkpoint = Networks.Checkpoint(source);
        var before = Networks.Values(network);
        var plan = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("conv", checkpoint).Set("bn.bias", 3)
            .CopyFrom("bn.weight", "bn.bias");
        var preview = plan.Preview(network, 7);
        Networks.AssertEqual(before, Networks.Values(network));
        var report = plan.Apply(network, 7);
        Assert.Equal(report.Tensors.Select(t => t.Rule), preview.Tensors.Select(t => t.Rule));
        Assert.Equal(report.Loads[0].Hash, preview.Loads[0].Hash);
        Assert.Equal(4, Networks.Floats(network, "bn.weight").Count(v => v == 3));
        Assert.Contains(
            "scheme",
            Message(
                () => new InitializationPlan().Set("fc", double.NaN).Draw("**", new InitializationScheme("empty"))
                    .Preview(network, 7)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_scheme_must_know_every_parameter_that_is_left_to_it()
    {
        using var network = torch.nn.Sequential(("fc", torch.nn.Linear(2, 2)), ("rnn", new Unknown()));
        Assert.Contains(
            "draw \"**\" by scheme pytorch: the scheme has no initializer for rnn.own [2] of a Unknown",
            Message(() => new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, 1)),
            StringComparison.Ordinal);
        var report = new InitializationPlan().Draw("**.own", new Normal()).Draw("**", InitializationScheme.PyTorch)
            .Apply(network, 1);
        Assert.Equal("draw \"**.own\" by normal(mean: 0, deviation: 1)", report.Find("rnn.own")!.Rule);
    }

    [Fact]
    public void Ties_are_one_tensor_with_two_names()
    {
        using var network = new TiedNetwork();
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Set("decoder.weight", 4).Apply(network, 1);
        Assert.Equal(new Origin.Set(4), report.Find("encoder.weight")!.Origin);
        Assert.Equal(new Origin.Set(4), report.Find("decoder.weight")!.Origin);
        using var target = new TiedNetwork();
        using var checkpoint = Networks.Checkpoint(network, t => t.Info.Name == "encoder.weight" ? null : t);
        report = new InitializationPlan().Load("**", checkpoint).Apply(target, 1);
        Networks.AssertEqual(Networks.Values(network), Networks.Values(target));
        Assert.Equal("decoder.weight", Assert.IsType<Origin.Loaded>(report.Find("encoder.weight")!.Origin).Key);
        using var both = Networks.Checkpoint(network);
        report = new InitializationPlan().Load("**", both).Apply(target, 1);
        Assert.Equal(
            "the same tensor as encoder.weight, which was read from encoder.weight", Assert.Single(report.Skipped).Detail);
    }

    [Fact]
    public void Copies_come_after_everything_else()
    {
        using var network = torch.nn.Sequential(
            ("a", torch.nn.Linear(3, 3)),
            ("b", torch.nn.Linear(3, 3)),
            ("c", torch.nn.Linear(3, 3)),
            ("d", torch.nn.Linear(2, 3)));
        var report = new InitializationPlan().CopyFrom("c", "b").CopyFrom("b", "a").Draw("a", InitializationScheme.PyTorch)
            .Apply(network, 1);
        Assert.Equal(Networks.Values(network)["a.weight"], Networks.Values(network)["c.weight"]);
        Assert.Equal(new Origin.Copied("b.bias"), report.Find("c.bias")!.Origin);
        Assert.Contains("drawn by kaiming-uniform", report.DoubtOf("c.weight"), StringComparison.Ordinal);

        Assert.Contains(
            "in a circle",
            Message(() => new InitializationPlan().CopyFrom("a", "b").CopyFrom("b", "a").Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "d.weight is [3, 2] and a.weight is [3, 3]",
            Message(() => new InitializationPlan().CopyFrom("d", "a").Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "is a.weight already",
            Message(() => new InitializationPlan().CopyFrom("a", "a").Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "no parameter, buffer or module \"e\"",
            Message(() => new InitializationPlan().CopyFrom("d", "e").Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "no counterpart a.weight.weight",
            Message(() => new InitializationPlan().CopyFrom("d", "a.weight").Apply(network, 1)),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(torch.ScalarType.Float64)]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.BFloat16)]
    public void Every_initializer_draws_every_floating_point_type_rounding_once(torch.ScalarType type)
    {
        foreach (var (name, _) in Initializers.All)
        {
            using var network = name is "dirac" or "identity-kernel"
                ? torch.nn.Sequential(("a", torch.nn.Conv2d(4, 4, 3)))
                : torch.nn.Sequential(("a", torch.nn.Linear(6, 6)));
            network.to(type);
            var initializer = Initializers.Parse(name switch { "constant" => "constant(value: 0.3)", "sparse" => "sparse(sparsity: 0.5)", _ => name });
            var tensor = new PlannedNetwork(ModuleTree.Of(network)).Find(name == "fan-in-bias" ? "a.bias" : "a.weight")!;
            new InitializationPlan().Draw(tensor.Name, initializer).Apply(network, 7);

            var values = new double[tensor.Info.ElementCount];
            initializer.Fill(tensor.Target, values, new CounterRandom(7, tensor.Name));
            var expected = new byte[tensor.Info.ByteCount];
            Elements.FromDouble(values, tensor.Info.Type, expected);
            Assert.Equal(expected, TensorBytes.Read(ModuleTree.Of(network).Find(tensor.Name)!.Tensor));
        }
    }

    [Fact]
    public void A_copy_may_be_wider_than_its_source()
    {
        using var network = torch.nn.Sequential(
            ("rgb", torch.nn.Conv2d(3, 4, 3)),
            ("depth", torch.nn.Conv2d(4, 4, 3)),
            ("wide", torch.nn.Conv2d(6, 8, 3)));
        var report = new InitializationPlan().Draw("rgb", InitializationScheme.PyTorch)
            .CopyFrom("depth", "rgb", CopyFit.FirstConvAverage).CopyFrom("wide", "rgb", CopyFit.Widen).Apply(network, 1);
        var (rgb, depth, wide) = (Weight("rgb"), Weight("depth"), Weight("wide"));
        for (var output = 0; output < 4; output++)
        {
            for (var at = 0; at < 9; at++)
            {
                var mean = Enumerable.Range(0, 3).Average(input => (double)rgb[(((output * 3) + input) * 9) + at]);
                for (var input = 0; input < 4; input++) Assert.Equal(mean * 3 / 4, depth[(((output * 4) + input) * 9) + at], 1e-7);
            }
        }

        for (var output = 0; output < 8; output++)
            for (var input = 0; input < 6; input++)
                for (var at = 0; at < 9; at++)
                    Assert.Equal(rgb[((((output / 2) * 3) + (input / 2)) * 9) + at] / 2, wide[(((output * 6) + input) * 9) + at]);
        Assert.Equal(new Origin.Copied("rgb.bias"), report.Find("depth.bias")!.Origin);
        Assert.Equal(new Origin.Copied("rgb.weight", "widen, outputs 4 to 8, inputs 3 to 6"), report.Find("wide.weight")!.Origin);
        Assert.Equal("copy \"wide\" from \"rgb\", fit widen", report.Find("wide.weight")!.Rule);
        Assert.Equal(report.ToJson(), InitializationReport.FromJson(report.ToJson()).ToJson());

        float[] Weight(string name) => network.get_parameter($"{name}.weight")!.data<float>().ToArray();
    }

    [Fact]
    public void A_copy_that_does_not_fit_says_why()
    {
        using var network = torch.nn.Sequential(
            ("a", torch.nn.Linear(3, 3)),
            ("b", torch.nn.Linear(3, 3)),
            ("c", torch.nn.Linear(2, 3)));
        Assert.Equal(
            "copy \"c\" from \"a\", fit widen: c.weight is wider in the source: [3, 3] in the source and [3, 2] in the copy",
            Message(() => new InitializationPlan().CopyFrom("c", "a", CopyFit.Widen).Apply(network, 1)));
        Assert.Contains(
            "all shapes are equal",
            Message(() => new InitializationPlan().CopyFrom("b", "a", CopyFit.Inflate).Apply(network, 1)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Values_must_fit_the_type()
    {
        using var network = new SmallNetwork();
        var report = new InitializationPlan().Set("bn", 2).Set("bn.num_batches_tracked", 5).Apply(network, 1);
        Assert.Equal(5, network.Norm.num_batches_tracked!.item<long>());
        Assert.Equal(new Origin.Kept(), report.Find("bn.running_mean")!.Origin);
        Assert.Contains(
            "bn.num_batches_tracked has elements of type Int64",
            Message(() => new InitializationPlan().Set("bn.num_batches_tracked", 0.5).Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "which only a constant suits",
            Message(() => new InitializationPlan().Draw("bn.num_batches_tracked", new Normal()).Apply(network, 1)),
            StringComparison.Ordinal);
        Assert.Contains(
            "draw \"**\" by orthogonal(gain: 1): orthogonal cannot fill bn.weight",
            Message(() => new InitializationPlan().Draw("**", new Orthogonal()).Apply(network, 1)),
            StringComparison.Ordinal);
    }

    private sealed class Unknown : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly TorchSharp.Modules.Parameter own = new(torch.zeros(2));

        public Unknown()
            : base(nameof(Unknown)) => RegisterComponents();

        public override torch.Tensor forward(torch.Tensor input) => input + own;
    }
}
