using Frostline.Selection;
using Xunit;

namespace Frostline.Tests.Selection;

public sealed class SelectorTests
{
    [Theory]
    [InlineData("layer1", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight")]
    [InlineData("layer1.**", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight")]
    [InlineData("layer1.*", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight")]
    [InlineData("layer?.1", "layer1.1.conv1.weight layer2.1.conv1.weight")]
    [InlineData("*.bias", "fc.bias")]
    [InlineData("**.conv1.weight", "conv1.weight layer1.0.conv1.weight layer1.1.conv1.weight layer2.1.conv1.weight")]
    [InlineData("layer1.**.weight", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.1.conv1.weight")]
    [InlineData("layer**.bn1", "layer1.0.bn1.weight layer1.0.bn1.running_mean")]
    [InlineData("** & !fc.**", "conv1.weight layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight layer2.1.conv1.weight")]
    [InlineData("!layer1&!layer2", "conv1.weight fc.weight fc.bias")]
    [InlineData("fc | conv1 & layer1", "fc.weight fc.bias")]
    [InlineData("(fc | conv1) & !fc.bias", "conv1.weight fc.weight")]
    [InlineData("!!fc", "fc.weight fc.bias")]
    [InlineData("type:BatchNorm", "layer1.0.bn1.weight layer1.0.bn1.running_mean")]
    [InlineData("type:Batch*2d", "layer1.0.bn1.weight layer1.0.bn1.running_mean")]
    [InlineData("regex:^layer[12]\\.1", "layer1.1.conv1.weight layer2.1.conv1.weight")]
    [InlineData("regex:(conv1|bn1)\\.weight$ & layer1.0", "layer1.0.conv1.weight layer1.0.bn1.weight")]
    [InlineData("(regex:^(fc|conv1)\\.w)", "conv1.weight fc.weight")]
    [InlineData("stage:stem", "conv1.weight")]
    [InlineData("stage:stem..body.1", "conv1.weight layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight")]
    [InlineData("stage:body", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight layer2.1.conv1.weight")]
    [InlineData("stage:body.2..", "layer2.1.conv1.weight fc.weight fc.bias")]
    [InlineData("stage:..stem", "conv1.weight")]
    [InlineData("depth:<16.6%", "conv1.weight")]
    [InlineData("depth:<16.7%", "conv1.weight layer1.0.conv1.weight")]
    [InlineData("depth:<50%", "conv1.weight layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean")]
    [InlineData("depth:<=50%", "conv1.weight layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean layer1.1.conv1.weight")]
    [InlineData("depth:>50%", "layer2.1.conv1.weight fc.weight fc.bias")]
    [InlineData("depth:>=50%", "layer1.1.conv1.weight layer2.1.conv1.weight fc.weight fc.bias")]
    [InlineData("!depth:>=50% & !conv1", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.running_mean")]
    [InlineData("(depth:<=0%)", "conv1.weight")]
    public void Chooses_the_tensors(string selector, string expected) =>
        Assert.Equal(expected.Split(' ').Order(), Selector.Parse(selector).Require(Trees.Small).Tensors.Order());

    [Fact]
    public void A_matched_module_brings_what_lies_below_it()
    {
        var selection = Selector.Parse("layer1").Select(Trees.Small);
        Assert.Equal(["layer1", "layer1.0", "layer1.0.bn1", "layer1.0.conv1", "layer1.1", "layer1.1.conv1"], selection.Modules.Order(StringComparer.Ordinal));
        Assert.Equal(selection.Modules, Selector.Parse("layer1.**").Select(Trees.Small).Modules);
    }

    [Fact]
    public void A_root_that_is_itself_a_norm_is_reached()
    {
        var tree = new SelectionTree([
            new("", NodeKind.Module, ["BatchNorm2d", "BatchNorm"]),
            new("weight", NodeKind.Parameter, []),
            new("running_mean", NodeKind.Buffer, [])]);
        foreach (var selector in new[] { "**", "type:BatchNorm", "!nothing" })
        {
            var selection = Selector.Parse(selector).Select(tree);
            Assert.Contains("", selection.Modules);
            Assert.Equal(2, selection.Tensors.Count);
        }

        Assert.Empty(Selector.Parse("regex:.*").Select(tree).Modules);
        Assert.Equal(2, Selector.Parse("regex:.*").Select(tree).Tensors.Count);
    }

    [Theory]
    [InlineData("layr1.**", "selector \"layr1.**\" matches nothing; did you mean \"layer1.**\" or \"layer2.**\"?")]
    [InlineData("layer1.0.bm1", "\"layer1.0.bn1\"")]
    [InlineData("** & !fcc.**", "selector \"fcc.**\" in \"** & !fcc.**\" matches nothing; did you mean \"fc.**\"?")]
    [InlineData("**.cnv1", "did you mean \"**.conv1\"")]
    [InlineData("type:BatchNorm3d", "did you mean \"type:BatchNorm2d\"")]
    [InlineData("depth:<0%", "selector \"depth:<0%\" matches nothing")]
    [InlineData("conv1 & depth:>=100%", "selector \"depth:>=100%\" in \"conv1 & depth:>=100%\" matches nothing")]
    [InlineData("fc & layer1", "its parts have nothing in common")]
    [InlineData("stage:bod", "there is no stage \"bod\"; the stages are stem, body.1, body.2, head")]
    [InlineData("stage:head..stem", "stage head comes after stem")]
    public void What_matches_nothing_is_refused_with_the_nearest_names(string selector, string expected) =>
        Assert.Contains(expected, Assert.Throws<SelectionException>(() => Selector.Parse(selector).Require(Trees.Small)).Message);

    [Theory]
    [InlineData("", "an empty selector")]
    [InlineData("  ", "an empty selector")]
    [InlineData("a &", "character 4: a pattern is missing")]
    [InlineData("| a", "character 1: a pattern is missing before '|'")]
    [InlineData("(a | b", "a closing parenthesis is missing")]
    [InlineData("a b", "character 3: unexpected 'b'")]
    [InlineData("a)", "unexpected ')'")]
    [InlineData("a..b", "has an empty segment")]
    [InlineData("a.", "has an empty segment")]
    [InlineData("typ:Conv2d", "unknown prefix \"typ:\"; did you mean \"type:\"?")]
    [InlineData("type:", "lacks what to match")]
    [InlineData("regex:(", "is no regular expression")]
    [InlineData("regex:", "lacks what to match")]
    [InlineData("stage:..", "a range of stages needs")]
    [InlineData("layer[34]", "use regex:")]
    [InlineData("a | depth:", "character 5: \"depth:\" lacks what to match")]
    [InlineData("depth:30%", "character 1: \"depth:30%\" lacks a comparison; write <, <=, > or >= before the percentage, as in depth:<30%")]
    [InlineData("depth:=30%", "lacks a comparison")]
    [InlineData("depth:<", "\"depth:<\" lacks a percentage behind <")]
    [InlineData("depth:>= 30%", "\"depth:>=\" lacks a percentage behind >=; write it without a space, as in depth:<30%")]
    [InlineData("depth:<30", "\"depth:<30\" lacks a percent sign; write depth:<30%")]
    [InlineData("depth:<0.3", "lacks a percent sign")]
    [InlineData("depth:<%", "\"%\" is no percentage; write a number from 0 to 100 with a point for decimals")]
    [InlineData("depth:<12,5%", "\"12,5%\" is no percentage")]
    [InlineData("depth:<-1%", "\"-1%\" is no percentage")]
    [InlineData("depth:<1e1%", "is no percentage")]
    [InlineData("depth:==5%", "lacks a comparison")]
    [InlineData("depth:<<5%", "is no percentage")]
    [InlineData("depth:<=100.01%", "a depth of 100.01% is impossible; the percentage is a number from 0 to 100")]
    [InlineData("depht:<3%", "unknown prefix \"depht:\"; did you mean \"depth:\"?")]
    public void What_is_no_selector_is_refused_with_the_place(string selector, string expected)
    {
        var message = Assert.Throws<SelectionException>(() => Selector.Parse(selector)).Message;
        Assert.Contains(expected, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_network_without_stages_says_so() =>
        Assert.Contains(
            "the network has no stages",
            Assert.Throws<SelectionException>(() => Selector.Parse("stage:stem").Select(new SelectionTree([new("", NodeKind.Module, [])]))).Message);

    [Fact]
    public void Hundreds_of_nested_parentheses_are_refused_instead_of_overflowing_the_stack() =>
        Assert.Throws<SelectionException>(() => Selector.Parse(new string('(', 100_000) + "a" + new string(')', 100_000)));
}
