using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class StageMapTests
{
    [Fact]
    public void Everything_below_a_module_belongs_to_its_stage()
    {
        using var network = Network.Of(n => [Own(n, "a", "image", "body"), Own(n, "b", "a", "head")]);
        var map = StageMap.Of(network);
        Assert.Equal(["a", "b"], map.Stages);
        Assert.Equal("a", map.StageOf("body.0.weight"));
        Assert.Equal("a", map.StageOf("body.1"));
        Assert.Equal("b", map.StageOf("head.bias"));
        Assert.Null(map.StageOf(""));
    }

    [Fact]
    public void A_module_that_no_stage_owns_is_named() =>
        AssertError(n => [Own(n, "a", "image", "body")], "\"head.weight\" belongs to no stage");

    [Fact]
    public void A_module_that_two_stages_own_is_named() =>
        AssertError(n => [Own(n, "a", "image", "body", "head"), Own(n, "b", "a", "head")], "the module \"head\" belongs to the stages \"a\" and \"b\"");

    [Fact]
    public void A_module_inside_another_stages_module_is_named() =>
        AssertError(n => [Own(n, "a", "image", "body"), Own(n, "b", "a", "head", "body.1")], "\"body.1\" belongs to the stage \"b\"");

    [Fact]
    public void A_stranger_is_named()
    {
        using var stranger = nn.Linear(1, 1);
        AssertError(n => [Own(n, "a", "image", "body", "head"), new Stage("b", "a", [stranger], (_, x) => x)], "owns a Linear that is not in the network");
    }

    [Fact]
    public void A_tensor_that_two_stages_share_is_named()
    {
        using var network = Network.Of(n => [Own(n, "a", "image", "body"), Own(n, "b", "a", "head")]);
        var convolution = (TorchSharp.Modules.Conv2d)network.named_modules().First(m => m.name == "body.0").module;
        network.head.bias = convolution.bias;
        var error = Assert.Throws<FrostlineException>(() => StageMap.Of(network));
        Assert.Contains("is the same tensor as", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"head.bias\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"body.0.bias\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_directly_on_the_network_can_be_owned()
    {
        using var network = Network.Of(n => [Own(n, "a", "image", "body"), Own(n, "b", "a", "head")]);
        network.register_buffer("scale", torch.ones(1));
        Assert.Contains("\"scale\" belongs to no stage", Assert.Throws<FrostlineException>(() => StageMap.Of(network)).Message, StringComparison.Ordinal);
        network.Stages = [Own(network, "a", "image", "body"), new Stage("b", "a", [network.head], (_, x) => x) { Tensors = [new OwnedTensor(network, "scale")] }];
        Assert.Equal("b", StageMap.Of(network).StageOf("scale"));
    }

    [Theory]
    [InlineData("image", "image", "which is already an input")]
    [InlineData("imagine", "x", "did you mean \"image\"")]
    public void Stages_that_do_not_fit_together_are_named(string read, string write, string message) =>
        AssertError(n => [new Stage("a", read, [n.body, n.head], (_, x) => x, write)], message);

    [Fact]
    public void The_frost_line_is_the_first_stage_in_which_anything_can_change()
    {
        using var network = Network.Of(n => [Own(n, "a", "image", "body"), Own(n, "b", "a", "head")]);
        Assert.Equal("b", FrostLine.Find(network, ["head.weight"])!.Name);
        Assert.Equal("a", FrostLine.Find(network, ["head.weight", "body.1.running_mean"])!.Name);
        Assert.Null(FrostLine.Find(network, []));
        Assert.Equal("a", FrostLine.Find(network, stage => stage == "a")!.Name);
        Assert.Throws<FrostlineException>(() => FrostLine.Find(network, ["tail.weight"]));
    }

    private static void AssertError(Func<Network, IReadOnlyList<Stage>> stages, string message)
    {
        using var network = Network.Of(stages);
        Assert.Contains(message, Assert.Throws<FrostlineException>(() => StageMap.Of(network)).Message, StringComparison.Ordinal);
    }

    private static Stage Own(Network network, string name, string read, params string[] modules) =>
        new(name, read, [.. modules.Select(m => network.named_modules().First(pair => pair.name == m).module)], (_, x) => x);

    private sealed class Network : nn.Module<Tensor, Tensor>, IStagedNetwork
    {
        public readonly TorchSharp.Modules.Sequential body = nn.Sequential(("0", nn.Conv2d(3, 4, 1)), ("1", nn.BatchNorm2d(4)));
        public readonly TorchSharp.Modules.Linear head = nn.Linear(4, 4);

        private Network()
            : base(nameof(Network)) => RegisterComponents();

        public IReadOnlyList<Stage> Stages { get; set; } = [];

        public IReadOnlyList<string> Inputs => ["image"];

        public IReadOnlyList<string> Outputs => [Stages[^1].Writes[0]];

        public static Network Of(Func<Network, IReadOnlyList<Stage>> stages)
        {
            var network = new Network();
            network.Stages = stages(network);
            return network;
        }

        public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
    }
}
