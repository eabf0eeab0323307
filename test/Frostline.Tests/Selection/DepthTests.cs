using Frostline.Selection;
using Xunit;

namespace Frostline.Tests.Selection;

/// <summary>What a layer is, and in which order layers are counted.</summary>
public sealed class DepthTests
{
    [Fact]
    public void A_module_without_tensors_lies_behind_the_layers_before_it()
    {
        var tree = new SelectionTree([
            Module(""), Module("noise"), Module("conv"), Parameter("conv.weight"), Module("relu"), Module("bn"), Buffer("bn.running_mean"),
            Module("drop")]);
        Assert.Equal(["noise"], Of("depth:<=0% & !conv", tree));
        Assert.Equal(["conv", "noise"], Of("depth:<50%", tree));
        Assert.Equal(["bn", "relu"], Of("depth:>=50% & depth:<100%", tree));
        Assert.Equal(["drop"], Of("depth:>=100%", tree));
        Assert.Equal(["bn", "conv", "drop", "noise", "relu"], Of("depth:<=100%", tree));
    }

    [Fact]
    public void A_layer_with_submodules_gives_its_depth_to_its_own_tensors_only()
    {
        // As a transformer holds its table of positions on the root.
        var tree = new SelectionTree([
            Module(""), Parameter("positions"), Module("block"), Parameter("block.scale"), Module("block.fc"), Parameter("block.fc.weight"),
            Module("head"), Parameter("head.weight")]);
        var low = Selector.Parse("depth:<30%").Select(tree);
        Assert.Equal(["block.scale", "positions"], low.Tensors.Order(StringComparer.Ordinal));
        Assert.Empty(low.Modules);
        Assert.Equal(["block.fc.weight", "head.weight"], Selector.Parse("depth:>=30%").Select(tree).Tensors.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Stages_come_before_registration()
    {
        // Registered head first, as fields in alphabetical order would be.
        var tree = new SelectionTree(
            [
                Module(""), Module("classifier", "head"), Parameter("classifier.weight", "head"), Module("drop", "head"),
                Module("stem", "stem"), Parameter("stem.weight", "stem"), Module("pool"),
            ],
            ["stem", "head"]);
        Assert.Equal(["stem"], Of("depth:<50%", tree));
        Assert.Equal(["classifier", "pool"], Of("depth:>=50% & depth:<100%", tree));
        Assert.Equal(["drop"], Of("depth:>=100%", tree));
    }

    [Fact]
    public void A_module_whose_tensors_alone_belong_to_stages_is_counted_with_them()
    {
        var tree = new SelectionTree(
            [
                Module(""), Parameter("temperature", "head"), Module("body", "body"), Parameter("body.weight", "body"),
                Module("head", "head"), Parameter("head.weight", "head"),
            ],
            ["body", "head"]);
        Assert.Equal(["body.weight"], Selector.Parse("depth:<33%").Select(tree).Tensors);
        Assert.Equal(["body.weight", "temperature"], Selector.Parse("depth:<66%").Select(tree).Tensors.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_share_of_the_layers_is_exact()
    {
        var tree = new SelectionTree(
            [Module(""), .. Enumerable.Range(0, 300).SelectMany(i => new[] { Module($"a{i:000}"), Parameter($"a{i:000}.weight") })]);
        for (var percent = 1; percent <= 100; percent++)
        {
            Assert.Equal(3 * percent, Selector.Parse($"depth:<{percent}%").Select(tree).Tensors.Count);
            Assert.Equal(percent == 100 ? 300 : (3 * percent) + 1, Selector.Parse($"depth:<={percent}%").Select(tree).Tensors.Count);
        }
    }

    [Fact]
    public void A_root_that_is_itself_the_only_layer_is_reached()
    {
        var tree = new SelectionTree([Module(""), Parameter("weight")]);
        Assert.Contains("", Selector.Parse("depth:<1%").Require(tree).Modules);
        Assert.Throws<SelectionException>(() => Selector.Parse("depth:<1%").Require(new SelectionTree([])));
    }

    private static IEnumerable<string> Of(string selector, SelectionTree tree) =>
        Selector.Parse(selector).Select(tree).Modules.Where(name => name.Length > 0).Order(StringComparer.Ordinal);

    private static SelectionNode Module(string name, string? stage = null) => new(name, NodeKind.Module, [], stage);

    private static SelectionNode Parameter(string name, string? stage = null) => new(name, NodeKind.Parameter, [], stage);

    private static SelectionNode Buffer(string name) => new(name, NodeKind.Buffer, []);
}
