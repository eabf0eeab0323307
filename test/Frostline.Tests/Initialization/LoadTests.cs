using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class LoadTests
{
    private static string Message(Action action) => Assert.ThrowsAny<FrostlineException>(action).Message;

    private static SmallNetwork Drawn(long seed, int classes = 3)
    {
        var network = new SmallNetwork(classes);
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Draw("bn.**", new Uniform())
            .Draw("bn.running*", new Uniform()).Apply(network, seed);
        return network;
    }

    [Fact]
    public void Loads_everything_under_mapped_names()
    {
        using var source = Drawn(1);
        using var target = Drawn(2);
        using var checkpoint = Networks.Checkpoint(source, t => t with { Info = t.Info with { Name = "module." + t.Info.Name } });
        var report = new InitializationPlan().Load("**", checkpoint, KeyMap.Identity.StripPrefix("module.")).Apply(target, 3);
        Networks.AssertEqual(Networks.Values(source), Networks.Values(target));
        Assert.Equal(
            new Origin.Loaded("small.safetensors", "module.bn.running_var", checkpoint.ContentHash()),
            report.Find("bn.running_var")!.Origin);
        Assert.Equal("load \"small.safetensors\" into \"**\"", report.Find("fc.bias")!.Rule);
        var load = Assert.Single(report.Loads);
        Assert.Equal((8, 8, 1.0), (load.Loaded.Count, load.Tensors.Count, load.Coverage));
        Assert.Empty(load.Remarks);
        Assert.Null(report.DoubtOf("conv.weight"));
    }

    [Theory]
    [InlineData("fc.bias")]
    [InlineData("conv.weight")]
    public void A_mismatch_anywhere_leaves_everything_untouched(string wrong)
    {
        using var source = Drawn(1);
        using var target = Drawn(2);
        var before = Networks.Values(target);
        using var checkpoint = Networks.Checkpoint(source, t => t.Info.Name == wrong ? Networks.Ones(wrong, 7) : t);
        var message = Message(() => new InitializationPlan().Set("bn", 4).Load("**", checkpoint).Apply(target, 3));
        Assert.Contains($"load \"small.safetensors\" into \"**\": {wrong} is", message, StringComparison.Ordinal);
        Assert.Contains("[7] in the file", message, StringComparison.Ordinal);
        Networks.AssertEqual(before, Networks.Values(target));
    }

    [Fact]
    public void Nothing_is_broadcast()
    {
        using var target = torch.nn.Sequential(("fc", torch.nn.Linear(3, 4, hasBias: false)));
        using var source = torch.nn.Sequential(("fc", torch.nn.Linear(3, 1, hasBias: false)));
        using var checkpoint = Networks.Checkpoint(source);
        Assert.Contains(
            "fc.weight is [4, 3] in the network and [1, 3] in the file",
            Message(() => new InitializationPlan().Load("**", checkpoint).Apply(target, 3)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_tensors_are_an_error_that_says_how_many_and_why()
    {
        using var source = Drawn(1);
        using var target = Drawn(2);
        using var lacking = Networks.Checkpoint(source, t => t.Info.Name == "fc.bias" ? null : t);
        Assert.Equal(
            "load \"small.safetensors\" into \"**\": the checkpoint holds 7 of 8 tensors, 100 % are required; "
            + "missing: fc.bias; does the file call it \"bn.bias\"?",
            Message(() => new InitializationPlan().Load("**", lacking).Apply(target, 3))
                .Replace(" or \"fc.weight\"", "", StringComparison.Ordinal));
        using var prefixed = Networks.Checkpoint(source, t => t with { Info = t.Info with { Name = "module." + t.Info.Name } });
        Assert.EndsWith(
            "the file has \"module.conv.weight\": strip the prefix \"module.\"",
            Message(() => new InitializationPlan().Load("**", prefixed).Apply(target, 3)),
            StringComparison.Ordinal);
        using var wrapped = torch.nn.Sequential(("net", Drawn(3)));
        using var bare = Networks.Checkpoint(source);
        Assert.EndsWith(
            "add the prefix \"net.\"",
            Message(() => new InitializationPlan().Load("**", bare).Apply(wrapped, 3)),
            StringComparison.Ordinal);
        Assert.Contains(
            "Key map: strip prefix",
            Message(() => new InitializationPlan().Load("**", bare, KeyMap.Identity.StripPrefix("modul.")).Apply(target, 3)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Less_may_be_required_and_the_rest_is_left_to_earlier_rules()
    {
        using var source = Drawn(1);
        using var target = Drawn(2);
        using var checkpoint = Networks.Checkpoint(
            source, t => t.Info.Name.StartsWith("fc", StringComparison.Ordinal) ? null : t);
        var options = new LoadOptions { Require = 0.75 };
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("**", checkpoint, options: options)
            .Apply(target, 3);
        Assert.Equal(["fc.weight", "fc.bias"], report.Missing);
        Assert.Equal("drawn by fan-in-bias", report.DoubtOf("fc.bias"));
        Assert.IsType<Origin.Loaded>(report.Find("conv.weight")!.Origin);
        Assert.Contains(
            "7 of 8",
            Message(
                () => new InitializationPlan()
                    .Load("**", Networks.Checkpoint(source, t => t.Info.Name == "fc.bias" ? null : t),
                        options: new LoadOptions { Require = 0.9 }).Apply(target, 3)),
            StringComparison.Ordinal);
        Assert.Contains(
            "holds 0 of 2 tensors",
            Message(
                () => new InitializationPlan().Load("fc", checkpoint, options: new LoadOptions { Require = 0 }).Apply(target, 3)),
            StringComparison.Ordinal);

        var plan = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("**", checkpoint, options: options);
        plan.Require("conv | bn", 1).Apply(target, 3);
        Assert.Contains(
            "require \"**\": 6 of 8 tensors are loaded, 80 % are required; fc.weight is decided by: draw",
            Message(() => plan.Require("**", 0.8).Apply(target, 3)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_of_another_size_is_skipped_on_purpose()
    {
        using var source = Drawn(1, classes: 10);
        using var target = Drawn(2, classes: 2);
        using var checkpoint = Networks.Checkpoint(source);
        Assert.Contains(
            "skip such tensors, or decide them by a later rule",
            Message(() => new InitializationPlan().Load("**", checkpoint).Apply(target, 3)),
            StringComparison.Ordinal);

        var skipped = new InitializationPlan().Draw("**", InitializationScheme.PyTorch)
            .Load("**", checkpoint, options: new LoadOptions { Skip = "fc" }).Apply(target, 3);
        Assert.Equal(["fc.weight", "fc.bias"], skipped.Skipped.Select(s => s.Key));
        Assert.All(skipped.Skipped, s => Assert.Equal("skipped as \"fc\"", s.Detail));
        var overridden = new InitializationPlan().Load("**", checkpoint).Draw("fc", InitializationScheme.PyTorch)
            .Apply(target, 3);
        Assert.All(overridden.Skipped, s => Assert.Equal("decided by a later rule: draw \"fc\" by scheme pytorch", s.Detail));
        var part = new InitializationPlan().Load("conv | bn", checkpoint).Apply(target, 3);
        Assert.All(part.Skipped, s => Assert.Equal("outside \"conv | bn\"", s.Detail));
        Assert.Contains(
            "matches nothing",
            Message(
                () => new InitializationPlan().Load("**", checkpoint, options: new LoadOptions { Skip = "head" })
                    .Apply(target, 3)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_with_another_number_of_classes_is_left_to_a_draw_and_one_with_the_same_is_loaded()
    {
        using var source = Drawn(1, classes: 10);
        using var target = Drawn(2, classes: 2);
        using var same = Drawn(2, classes: 10);
        using var checkpoint = Networks.Checkpoint(source);
        var options = new LoadOptions { Head = "fc" };
        InitializationPlan Plan() => new InitializationPlan().Draw("fc", InitializationScheme.PyTorch).Load("**", checkpoint, options: options);
        var report = Plan().Apply(target, 3);
        Assert.Equal(["fc.weight", "fc.bias"], report.Drawn.Select(t => t.Name));
        Assert.Equal("fc.weight: head \"fc\" of another size, [10, 4] in the file and [2, 4] in the network", report.Skipped[0].ToString());
        Assert.Equal(1, report.Loads[0].Coverage);
        Assert.Equal(8, Plan().Apply(same, 3).Loaded.Count);

        var before = Networks.Values(target);
        Assert.Contains(
            "left to an earlier rule, and there is none",
            Message(() => new InitializationPlan().Load("**", checkpoint, options: options).Apply(target, 3)),
            StringComparison.Ordinal);
        Assert.Contains(
            "conv.weight is",
            Message(() => Plan().Load("conv", Networks.Checkpoint(source, t => Networks.Ones(t.Info.Name, 7)))
                .Apply(target, 3)),
            StringComparison.Ordinal);
        Networks.AssertEqual(before, Networks.Values(target));
    }

    [Fact]
    public void A_later_draw_wins_over_a_load_and_an_earlier_one_does_not()
    {
        using var source = Drawn(1);
        using var target = Drawn(2);
        using var checkpoint = Networks.Checkpoint(source);
        var after = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("**", checkpoint).Apply(target, 3);
        Assert.Equal(8, after.Loaded.Count);
        Assert.Empty(after.Drawn);
        Networks.AssertEqual(Networks.Values(source), Networks.Values(target));
    }

    [Fact]
    public void Unexpected_keys_are_listed_not_refused()
    {
        using var source = new SmallNetwork(withExtra: true);
        using var target = Drawn(2);
        using var checkpoint = Networks.Checkpoint(source);
        var report = new InitializationPlan().Load("**", checkpoint).Apply(target, 3);
        Assert.Equal(["extra.weight", "extra.bias"], report.Unexpected);
    }

    [Fact]
    public void Checkpoints_older_than_counters_load_and_say_so()
    {
        using var source = Drawn(1);
        using var target = Drawn(2);
        new InitializationPlan().Set("bn.num_batches_tracked", 9).Apply(target, 1);
        using var checkpoint = Networks.Checkpoint(
            source, t => t.Info.Name.EndsWith("tracked", StringComparison.Ordinal) ? null : t);
        var report = new InitializationPlan().Load("**", checkpoint).Require("**", 1).Apply(target, 3);
        Assert.Equal(0, target.Norm.num_batches_tracked!.item<long>());
        var origin = Assert.IsType<Origin.Set>(report.Find("bn.num_batches_tracked")!.Origin);
        Assert.Equal((0, "the checkpoint is older than this counter and holds none"), (origin.Value, origin.Reason));
        Assert.Equal(["the checkpoint holds no num_batches_tracked; 1 of them set to 0"], report.Loads[0].Remarks);
        Assert.Equal((7, 1.0), (report.Loads[0].Loaded.Count, report.Loads[0].Coverage));

        // A file with some counters is not old.
        using var two = torch.nn.Sequential(("a", torch.nn.BatchNorm2d(2)), ("b", torch.nn.BatchNorm2d(2)));
        using var one = Networks.Checkpoint(two, t => t.Info.Name == "b.num_batches_tracked" ? null : t);
        Assert.Contains(
            "missing: b.num_batches_tracked",
            Message(() => new InitializationPlan().Load("**", one).Apply(two, 3)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Floating_types_are_cast_and_reported_others_are_refused()
    {
        using var source = Drawn(1);
        source.to(torch.float64);
        using var target = Drawn(2);
        using var checkpoint = Networks.Checkpoint(source);
        var report = new InitializationPlan().Load("**", checkpoint).Apply(target, 3);
        Assert.Equal(7, report.Cast.Count);
        Assert.Equal(TensorType.Float64, Assert.IsType<Origin.Loaded>(report.Find("fc.weight")!.Origin).CastFrom);
        using var same = Drawn(1);
        Networks.AssertEqual(Networks.Values(same), Networks.Values(target));

        using var wrong = Networks.Checkpoint(
            same, t => t.Info.Name.EndsWith("tracked", StringComparison.Ordinal) ? Networks.Ones(t.Info.Name) : t);
        Assert.Contains(
            "bn.num_batches_tracked is Int64 in the network and Float32 in the file, which is not cast",
            Message(() => new InitializationPlan().Load("**", wrong).Apply(target, 3)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Values_that_are_not_finite_are_remarked()
    {
        using var source = Drawn(1);
        using (torch.no_grad()) source.Head.weight!.fill_(double.NaN);
        using var target = Drawn(2);
        using var checkpoint = Networks.Checkpoint(source);
        var report = new InitializationPlan().Load("**", checkpoint).Apply(target, 3);
        Assert.Equal(["12 values of fc.weight are not finite"], report.Loads[0].Remarks);
    }

    [Fact]
    public void Two_checkpoints_fill_two_parts()
    {
        using var first = Drawn(1);
        using var second = Drawn(2);
        using var target = Drawn(3);
        using var a = Networks.Checkpoint(first, source: "a.safetensors");
        using var b = Networks.Checkpoint(second, source: "b.safetensors");
        var report = new InitializationPlan().Load("conv | bn", a).Load("fc", b).Apply(target, 3);
        Assert.Equal(["a.safetensors", "b.safetensors"], report.Loads.Select(load => load.File));
        Assert.Equal(Networks.Values(first)["bn.running_mean"], Networks.Values(target)["bn.running_mean"]);
        Assert.Equal(Networks.Values(second)["fc.bias"], Networks.Values(target)["fc.bias"]);
        Assert.Equal(b.ContentHash(), Assert.IsType<Origin.Loaded>(report.Find("fc.bias")!.Origin).Hash);
    }
}
