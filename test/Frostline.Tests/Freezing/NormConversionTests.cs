using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Selection;
using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>Norms of networks, exchanged wherever they lie.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class NormConversionTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public NormConversionTests() => random.manual_seed(1);

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Norms_are_exchanged_wherever_they_lie_and_the_network_computes_with_them()
    {
        using var network = new Places();
        Warm(network);
        network.eval();
        var x = randn(2, 4, 5, 5);
        var (before, prints, names) = (network.forward(x), Fingerprints.Of(network), NamesOf(network));

        string[] all = ["field", "first.1", "generic.norm", "list.0", "list.1", "dict.a", "dict.shared", "<Property>k__BackingField"];
        Assert.Equal(all, FrozenBatchNorm.Replace(network));
        network.train();
        Assert.True(before.Equals(network.forward(x)), "the forward computes something else");
        AssertSame(prints, network);
        Assert.Equal(names, NamesOf(network));
        Assert.Equal(all, ModuleTree.Of(network).Modules.Where(entry => entry.Module is FrozenBatchNorm).Select(entry => entry.Name));
        Assert.Equal(["first.0.weight", "first.0.bias"], network.named_parameters().Select(pair => pair.name));

        // Each one is used: a change of any changes the result, and nothing else is left that could.
        foreach (var norm in ModuleTree.Of(network).Modules.Where(entry => entry.Module is FrozenBatchNorm))
        {
            using var grad = no_grad();
            var mean = ((FrozenBatchNorm)norm.Module).get_buffer("running_mean")!;
            var kept = mean.clone();
            mean.add_(ones(4));
            Assert.False(before.Equals(network.forward(x)), $"{norm.Name} is not used");
            mean.copy_(kept);
        }

        Assert.Equal(all, FrozenBatchNorm.Revert(network));
        AssertSame(prints, network);
        Assert.Equal(names, NamesOf(network));
        Assert.Equal(2 + (7 * 2), network.parameters().Count());
        network.eval();
        Assert.True(before.Equals(network.forward(x)));
        Assert.Equal("BatchNorm2d", network.dict["a"].GetType().Name);

        // What trains again moves again.
        Warm(network);
        foreach (var name in all.Select(name => name + ".running_mean")) Assert.NotEqual(prints.Find(name) ?? prints.Find("field.running_mean"), Fingerprints.Of(network).Find(name));
    }

    [Fact]
    public void A_norm_with_two_names_is_replaced_at_both_by_one()
    {
        using var network = new Places();
        Assert.Equal(["list.1", "dict.shared"], FrozenBatchNorm.Replace(network, "dict.shared"));
        Assert.IsType<FrozenBatchNorm>(network.list[1]);
        Assert.Same(network.list[1], network.dict["shared"]);
        Assert.Equal("list.1", ModuleTree.Of(network).Modules.Single(entry => entry.Name == "dict.shared").AliasOf);
        Assert.Same(network.list[1], network.dict[1].Item2);
    }

    [Fact]
    public void A_selector_chooses_and_what_is_frozen_already_is_left_alone()
    {
        using var network = new Places();
        Assert.Equal(["first.1"], FrozenBatchNorm.Replace(network, "first"));
        Assert.IsType<Conv2d>(network.first.children().First());
        Assert.DoesNotContain("first.1", FrozenBatchNorm.Replace(network, "**"));
        Assert.Equal(["field", "first.1"], FrozenBatchNorm.Revert(network, "field | first"));
    }

    [Fact]
    public void A_field_that_cannot_hold_the_replacement_is_named_and_nothing_changes()
    {
        using var network = new SmallNet();
        var before = ModuleTree.Of(network);
        var error = Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(network)).Message;
        Assert.Equal(
            "\"block.bn\" (the field bn of OwnBlock is declared as BatchNorm2d) cannot be replaced; declare such fields as " +
            "nn.Module<Tensor, Tensor>, or freeze with a plan, which needs no replacement",
            error);
        Assert.True(before.Modules.Select(entry => entry.Module).SequenceEqual(ModuleTree.Of(network).Modules.Select(entry => entry.Module), ReferenceEqualityComparer.Instance));

        Assert.Equal(["stem.bn", "list.1", "dict.norm"], FrozenBatchNorm.Replace(network, "type:BatchNorm & !block"));
        network.eval();
        Assert.Equal([2, 2], network.forward(randn(2, 1, 5, 5)).shape);

        using var strict = new Strict();
        Assert.Contains("\"norm\" (the field norm of Strict is declared as FrozenBatchNorm)", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Revert(strict)).Message);
        using var narrow = new Narrow();
        Assert.Contains("\"norms.0\" (it lies in a list of BatchNorm2d)", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(narrow, "norms")).Message);
        Assert.Contains("\"byName.a\" (it lies in a dictionary of BatchNorm2d)", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(narrow, "byName")).Message);
        Assert.Contains("and 1 more cannot be replaced", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(narrow)).Message);
        Assert.Contains("(the field plain of Narrow is a plain collection; use a ModuleList or ModuleDict)", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(narrow, "hidden")).Message);
        Assert.Contains("\"loose\" (Narrow holds it in no field of its own", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(narrow, "loose")).Message);
    }

    [Fact]
    public void What_cannot_be_frozen_by_replacement_is_refused()
    {
        using var untracked = nn.Sequential(("good", nn.BatchNorm2d(2)), ("bad", nn.BatchNorm2d(2, track_running_stats: false)));
        AssertRefused(untracked, "\"bad\" cannot be replaced: it tracks no running statistics");
        Assert.IsType<BatchNorm2d>(untracked.children().First());

        using var root = nn.BatchNorm2d(2);
        AssertRefused(root, "the network is itself the norm");

        using var own = nn.Sequential(("own", new OwnNorm()));
        AssertRefused(own, "\"own\" cannot be replaced: it is a OwnNorm, whose own computation would be lost");

        using var tied = nn.Sequential(("a", nn.BatchNorm2d(2)), ("b", nn.BatchNorm2d(2)));
        ((BatchNorm2d)tied.children().First()).weight = ((BatchNorm2d)tied.children().Last()).weight;
        AssertRefused(tied, "cannot be replaced: it shares a tensor with another module");

        using var none = nn.Sequential(("conv", nn.Conv2d(1, 1, 1)), ("bn", nn.InstanceNorm2d(1)));
        Assert.Contains("matches nothing", Assert.Throws<SelectionException>(() => FrozenBatchNorm.Replace(none)).Message);
        Assert.Equal(
            "the selector \"conv\" chooses no BatchNorm; choose the norms to convert",
            Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(none, "conv")).Message);

        static void AssertRefused(nn.Module network, string expected)
        {
            var message = Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(network)).Message;
            Assert.Contains(expected, message);
            Assert.DoesNotContain('\n', message);
        }
    }

    [Fact]
    public void A_network_under_a_plan_is_refused()
    {
        using var network = new Places();
        using (new FreezePlan().Freeze("first").Apply(network, allowRandom: true))
        {
            Assert.Contains("is part of a frozen model; dispose that", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(network)).Message);
            Assert.Contains("is part of a frozen model", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(network.first)).Message);
        }

        // A plan that holds no module leaves no guard, and counts all the same.
        using (new FreezePlan().Parameters("first", trained: false).Apply(network, allowRandom: true))
            Assert.Contains("is part of a frozen model", Assert.Throws<FreezeException>(() => FrozenBatchNorm.Replace(network)).Message);
        FrozenBatchNorm.Replace(network);
        Assert.Throws<FreezeException>(() => new FreezePlan().Train("type:FrozenBatchNorm").Preview(network));
    }

    [Fact]
    public void What_was_replaced_is_disposed()
    {
        using var network = new Places();
        var old = network.field;
        FrozenBatchNorm.Replace(network);
        Assert.True(old.IsDisposed());
        // A forward that kept it by other ways fails, instead of going on with statistics that nobody sees any more.
        Assert.ThrowsAny<Exception>(() => old.call(randn(2, 4, 5, 5)));
        Assert.NotSame(old, network.field);
    }

    [Fact]
    public void A_plan_has_nothing_to_say_about_frozen_norms()
    {
        using var network = new Places(withHead: true);
        FrozenBatchNorm.Replace(network);
        var plan = new FreezePlan().Train("head").Preview(network);
        Assert.DoesNotContain(plan.Modules, module => module.Norm is not null);
        Assert.Empty(plan.Warnings);
        Assert.Equal(35, plan.Tensors.Count(tensor => tensor.State == TensorState.Frozen));
        Assert.Equal(4, plan.Tensors.Count(tensor => tensor.State == TensorState.Trained));
        Assert.Equal(ModuleState.Frozen, plan.Modules.Single(module => module.Name == "field").State);
        Assert.Equal(8, Selector.Parse("type:FrozenBatchNorm").Require(ModuleTree.Of(network).Selection).Modules.Count);
        Assert.Empty(Selector.Parse("type:BatchNorm").Select(ModuleTree.Of(network).Selection).Modules);

        using var frozen = new FreezePlan().Train("head").Apply(network, allowRandom: true);
        var audit = frozen.Audit();
        Assert.Equal(35, audit.FrozenTensors);
        using (no_grad()) network.field.get_buffer("weight")!.zero_();
        Assert.Equal(["field.weight"], frozen.Audit().Moved.Select(moved => moved.Name));
    }

    [Fact]
    public void A_frozen_norm_that_was_never_loaded_is_doubted()
    {
        using var network = nn.Sequential(("conv", nn.Conv2d(1, 4, 1)), ("bn", new FrozenBatchNorm(4)));
        Assert.Equal(
            ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"],
            new FreezePlan().Freeze("bn").Preview(network).Doubts.Select(doubt => doubt.Name));
    }

    [Fact]
    public void Stages_own_the_replacements()
    {
        using var network = new StagedNorm();
        Warm(network);
        network.eval();
        var x = randn(2, 4, 5, 5);
        var before = network.forward(x);
        Assert.Equal(["norm"], FrozenBatchNorm.Replace(network));
        network.train();
        Assert.True(before.Equals(network.forward(x)));
        Assert.Equal("only", StageMap.Of(network).StageOf("norm.running_mean"));
        Assert.Null(new FreezePlan().Freeze("conv").Preview(network).FrostLine);
        FrozenBatchNorm.Revert(network);
        Assert.Equal("only", new FreezePlan().Freeze("conv").Preview(network).FrostLine);
    }

    private static void Warm(nn.Module<Tensor, Tensor> network)
    {
        using var pause = FinalizerPause.Enter();
        using var grad = no_grad();
        network.train();
        for (var i = 0; i < 2; i++) network.forward(randn(3, 4, 5, 5));
    }

    private static List<string> NamesOf(nn.Module module) => [.. ModuleTree.Of(module).Tensors.Select(entry => entry.Name)];

    private static void AssertSame(Fingerprints expected, nn.Module module)
    {
        var actual = Fingerprints.Of(module);
        Assert.Equal(expected.Names, actual.Names);
        foreach (var name in expected.Names) Assert.Equal(expected.Find(name), actual.Find(name));
    }
}
