using Frostline.Modules;
using Frostline.Selection;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Modules;

[Collection(LibTorchCollection.Name)]
public sealed class ModuleTreeTests
{
    [Fact]
    public void Lists_modules_and_tensors_in_the_order_of_a_state_dict()
    {
        using var network = nn.Sequential(("conv", nn.Conv2d(1, 2, 1)), ("bn", nn.BatchNorm2d(2)), ("drop", nn.Dropout()));
        var tree = ModuleTree.Of(network);

        Assert.Equal(["", "conv", "bn", "drop"], tree.Modules.Select(entry => entry.Name));
        Assert.Equal(
            ["conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"],
            tree.Tensors.Select(entry => entry.Name));
        Assert.Equal(network.state_dict().Keys.Order(), tree.Tensors.Select(entry => entry.Name).Order());
        Assert.All(tree.Tensors, entry => Assert.Equal(entry.Name.Split('.')[0], entry.Owner));
        Assert.Equal(NodeKind.Buffer, tree.Find("bn.num_batches_tracked")!.Kind);
    }

    [Fact]
    public void Lists_buffers_that_are_not_persistent_though_named_buffers_does_not()
    {
        using var network = new WithHiddenBuffer();
        Assert.DoesNotContain("hidden", network.named_buffers(true, include_nonpersistent: true).Select(pair => pair.name));

        var entry = ModuleTree.Of(network).Find("hidden");
        Assert.NotNull(entry);
        Assert.False(entry.Persistent);
        Assert.True(ModuleTree.Of(network).Find("shown")!.Persistent);
        Assert.Equal(3.0f, entry.Tensor.sum().item<float>());
    }

    [Fact]
    public void Matches_types_by_class_and_family()
    {
        using var network = nn.Sequential(("bn", nn.BatchNorm2d(2)), ("drop", nn.Dropout2d()), ("alpha", nn.AlphaDropout()), ("own", new WithHiddenBuffer()));
        // What GetName() says is of no use here.
        Assert.Equal("BatchNorm1d", nn.BatchNorm2d(2).GetName());

        var tree = ModuleTree.Of(network).Selection;
        Assert.Equal(["bn"], Selector.Parse("type:BatchNorm2d").Select(tree).Modules);
        Assert.Equal(["bn"], Selector.Parse("type:BatchNorm").Select(tree).Modules);
        Assert.True(Selector.Parse("type:BatchNorm1d").Select(tree).IsEmpty);
        Assert.Equal(["alpha", "drop"], Selector.Parse("type:Dropout").Select(tree).Modules.Order());
        Assert.Equal(["drop"], Selector.Parse("type:Dropout2d").Select(tree).Modules);
        Assert.Equal(["own"], Selector.Parse("type:WithHiddenBuffer").Select(tree).Modules);
    }

    [Fact]
    public void Tied_parameters_and_shared_modules_keep_all_their_names_and_count_once()
    {
        using var network = new Tied();
        var tree = ModuleTree.Of(network);

        // The root's own parameters come first, and "view" is another handle to the same memory.
        Assert.Null(tree.Find("view")!.AliasOf);
        Assert.Equal("view", tree.Find("encoder.weight")!.AliasOf);
        Assert.Equal("view", tree.Find("decoder.weight")!.AliasOf);
        Assert.Equal("shared", tree.Modules.Single(entry => entry.Name == "again").AliasOf);
        Assert.Equal("shared.weight", tree.Find("again.weight")!.AliasOf);
        Assert.Equal(tree.DistinctTensors.Count(), tree.Tensors.Count - 4);
    }

    [Fact]
    public void Walks_through_lists_and_dictionaries_and_a_root_without_children()
    {
        using var network = new Nested();
        var names = ModuleTree.Of(network).Tensors.Select(entry => entry.Name).ToList();
        Assert.Contains("list.1.running_var", names);
        Assert.Contains("dict.norm.num_batches_tracked", names);

        using var norm = nn.BatchNorm1d(2);
        var tree = ModuleTree.Of(norm);
        Assert.Equal([""], tree.Modules.Select(entry => entry.Name));
        Assert.Equal(5, tree.Tensors.Count);
        Assert.Equal(5, Selector.Parse("**").Require(tree.Selection).Tensors.Count);
    }

    private sealed class WithHiddenBuffer : nn.Module<Tensor, Tensor>
    {
        internal WithHiddenBuffer()
            : base(nameof(WithHiddenBuffer))
        {
            register_buffer("shown", zeros(2));
            register_buffer("hidden", ones(3), persistent: false);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => input.alias();
    }

    private sealed class Tied : nn.Module<Tensor, Tensor>
    {
        private readonly Linear encoder = nn.Linear(3, 3);
        private readonly Linear decoder = nn.Linear(3, 3);
        private readonly Linear shared = nn.Linear(2, 2);
        private readonly Linear again;

        internal Tied()
            : base(nameof(Tied))
        {
            again = shared;
            decoder.weight = encoder.weight;
            RegisterComponents();
            register_parameter("view", new Parameter(encoder.weight!.detach(), false));
        }

        public override Tensor forward(Tensor input) => decoder.forward(encoder.forward(input));
    }

    private sealed class Nested : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<nn.Module<Tensor, Tensor>> list = new(nn.Linear(2, 2), nn.BatchNorm1d(2));
        private readonly ModuleDict<nn.Module<Tensor, Tensor>> dict = new();

        internal Nested()
            : base(nameof(Nested))
        {
            dict.Add("norm", nn.BatchNorm1d(2));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => dict["norm"].forward(list[1].forward(list[0].forward(input)));
    }
}
