using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class RecipeErrorTests
{
    public static TheoryData<string, string> Lines => new()
    {
        { "epoch: 3", "r.yaml:5:1: \"epoch\" is no key of the recipe" },
        { "fireeze: []", "r.yaml:5:1: \"fireeze\" is no key of the recipe; did you mean \"freeze\"?" },
        { "train: { epochz: 3 }", "r.yaml:5:10: \"epochz\" is no key of train; did you mean \"epochs\"?" },
        { "train: { epochs: tree }", "r.yaml:5:18: \"tree\" is not a whole number; epochs wants a whole number" },
        { "train: { epochs: 2.5 }", "r.yaml:5:18: \"2.5\" is not a whole number; epochs wants a whole number" },
        { "train: { epochs: \"3\" }", "r.yaml:5:18: \"3\" is text in quotes; epochs wants a whole number" },
        { "train: { epochs: 0 }", "r.yaml:5:18: \"0\" is out of range: epochs is at least 1" },
        { "train: { epochs: 99999999999 }", "r.yaml:5:18: \"99999999999\" is too large; epochs wants a whole number" },
        { "train: { epochs: 99999999999999999999 }", "r.yaml:5:18: \"99999999999999999999\" is too large; epochs wants a whole number" },
        { "train: { epochs: [1] }", "r.yaml:5:18: \"[…]\" is a list; epochs wants a whole number" },
        { "train: { epochs: }", "r.yaml:5:18: \"epochs\" has no value; give it one, or remove the key" },
        { "train: { epochs: 1, epochs: 2 }", "r.yaml:5:21: \"epochs\" is given twice, first at r.yaml:5:10; remove one of them" },
        { "train: 3", "r.yaml:5:8: \"3\" is a bare value of train; write keys below it: epochs, batch-size" },
        { "train: { mixup: .nan }", "r.yaml:5:17: \".nan\" is not a number; mixup wants a number" },
        { "train: { mixup: 1e999 }", "r.yaml:5:17: \"1e999\" is not a number; mixup wants a number" },
        { "train: { ema: 1 }", "r.yaml:5:15: \"1\" is out of range: ema is above 0 and below 1" },
        { "train: { sampling: balancd }", "r.yaml:5:20: \"balancd\" is no value of sampling; did you mean \"balanced\"?" },
        { "device: quantum", "r.yaml:5:9: \"quantum\" is no value of device; it is cpu or cuda" },
        { "train: { optimizer: adamv }", "r.yaml:5:21: \"adamv\" is no optimizer; did you mean \"adam\" or \"adamw\"?" },
        { "train: { optimizer: { name: sgd, lr: 3 } }", "r.yaml:5:34: \"lr\" is no key of the optimizer sgd; its keys are" },
        { "train: { optimizer: [sgd] }", "r.yaml:5:21: \"[…]\" is a list; write one optimizer: its name, or { name: … }" },
        { "loss: {}", "r.yaml:5:7: \"{}\" names no loss; add name: …" },
        { "loss: { name: [] }", "r.yaml:5:15: \"[…]\" is no name; name: wants that of a loss" },
        { "metrics: accuracy", "r.yaml:5:10: \"accuracy\" is not a list; metrics wants one: [ … ]" },
        { "metrics: [acuracy]", "r.yaml:5:11: \"acuracy\" is no metric; did you mean \"accuracy\"?" },
        { "metrics: [accuracy, ]\nbest: [a]", "r.yaml:6:7: \"[…]\" is a list; best wants text" },
        { "metrics: [~]", "r.yaml:5:11: an item of metrics has no value; give it one, or remove it" },
        { "allow-random: maybe", "r.yaml:5:15: \"maybe\" is neither on nor off; allow-random wants on or off" },
        { "initialize: [ \"**\" ]", "r.yaml:5:15: \"**\" is not a rule; a rule starts with draw, load, keep, set, copy, lsuv or calibrate-norm" },
        { "initialize: [ { lode: x } ]", "r.yaml:5:17: \"lode\" starts no rule of initialize[0]; did you mean \"load\"?" },
        { "initialize: [ { set: x } ]", "r.yaml:5:15: initialize[0] lacks the key \"value\"; add value:" },
        { "initialize: [ { copy: a } ]", "r.yaml:5:15: initialize[0] lacks the key \"into\"; add into:" },
        { "initialize: [ { load: x, require: 95 } ]", "r.yaml:5:35: \"95\" is out of range: require is at least 0 and at most 1; did you mean \"95%\"?" },
        { "initialize: [ { load: x, require: 101% } ]", "r.yaml:5:35: \"101%\" is out of range: require is at least 0 and at most 1" },
        { "initialize: [ { load: x, rename: [ { from: \"(\", to: x } ] } ]", "r.yaml:5:38: \"from\": is no regular expression" },
        { "initialize: [ { load: x, strip-prefix: a, strip-optional-prefix: b } ]", "r.yaml:5:43: \"strip-optional-prefix\": strip-prefix and strip-optional-prefix exclude each other" },
        { "freeze: [ { freeze: a, train: b } ]", "r.yaml:5:24: \"train\" and \"freeze\" are two rules; write each as its own item of freeze[0]" },
        { "freeze: [ { train: a, learning-rate: 0.1 } ]", "r.yaml:5:38: \"0.1\" has no x behind it; learning-rate wants a factor such as 0.1x" },
        { "freeze: [ { train: a, learning-rate: 0x } ]", "r.yaml:5:38: \"0x\" is out of range: learning-rate is above 0x" },
        { "freeze: [ { of: a } ]", "r.yaml:5:13: \"of\": the rule says nothing; add parameters:, norm: or dropout:" },
        { "freeze: [ { freeze: a, learning-rate: 2x } ]", "r.yaml:5:24: \"learning-rate\" is no key of freeze[0]" },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public void Wrong_values_are_told_with_their_place(string line, string start) =>
        Assert.StartsWith(start, RecipeFixture.Fails(RecipeFixture.MinimalWith(line)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("", "r.yaml:1:1: the recipe is empty")]
    [InlineData("just text", "r.yaml:1:1: \"just text\" is no recipe")]
    [InlineData("model: net", "r.yaml:1:1: the recipe lacks the key \"version\"; this Frostline reads version: 1")]
    [InlineData("modl: net\nversion: 2", "r.yaml:2:10: \"2\" is no version of a recipe that can be read; this Frostline reads version: 1")]
    [InlineData("version: 1\nmodel: { name: net }\ndata: 1", "r.yaml:2:8: the network net lacks the key \"width\"; add width:")]
    [InlineData("version: 1\nmodel: nett\ndata: 1", "r.yaml:2:8: \"nett\" is no network; did you mean \"net\"?")]
    [InlineData("version: 1\nmodel: { name: net, width: 5000 }\ndata: 1", "r.yaml:2:28: \"5000\" is out of range: width is at least 1 and at most 4096")]
    [InlineData("version: 1\nmodel: plain", "r.yaml:1:1: the recipe lacks the key \"data\"; add data:")]
    [InlineData("version: 1\nmodel: plain\ndata:\n  split: 0.1", "r.yaml:4:3: data lacks the key \"train\"; add train:")]
    public void Missing_keys_are_told(string text, string start) =>
        Assert.StartsWith(start, RecipeFixture.Fails(text).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("transform: [ { resize: } ]", "r.yaml:5:18: the transform resize lacks the key \"size\"; add size:")]
    [InlineData("transform: [ { resize: x } ]", "r.yaml:5:26: \"x\" is not a whole number; size wants a whole number")]
    [InlineData("transform: [ { resise: 3 } ]", "r.yaml:5:18: \"resise\" is no transform; did you mean \"resize\"?")]
    [InlineData("transform: [ { flip: 3 } ]", "r.yaml:5:24: \"3\" is a bare value of the transform flip; it has no keys")]
    [InlineData("transform: [ { resize: 3, flip: 3 } ]", "r.yaml:5:16: \"{ resize: … }\" names no transform; add name: …, or write { flip: … }")]
    [InlineData("transform: [ { normalize: { mean: [] } } ]", "r.yaml:5:37: \"mean\" has 0 items; the least is 1")]
    [InlineData("validate: { name: files, path: x }\n  split: 0.1", "r.yaml:6:3: \"split\": there is a data set to validate on; keep validate or split, not both")]
    public void Wrong_transforms_and_data_are_told(string line, string start) =>
        Assert.StartsWith(start, RecipeFixture.Fails(RecipeFixture.MinimalWith("  " + line)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("freeze:\n  - freeze: ** & !fc.**  # all", "r.yaml:6:13: \"** & !fc.**\" is", "put patterns in quotes: '** & !fc.**'")]
    [InlineData("freeze:\n  - freeze: **", "r.yaml:6:13: \"**\" is a YAML alias", "put patterns in quotes: '**'")]
    [InlineData("freeze: [{ freeze: *.bn }]", "r.yaml:5:20: \"*.bn\" is a YAML alias", "put patterns in quotes: '*.bn'")]
    [InlineData("freeze:\n  - freeze: !fc.**", "r.yaml:6:13: \"!fc.**\" is a YAML tag", "put patterns in quotes: '!fc.**'")]
    [InlineData("freeze:\n  - freeze: !fc.** & a", "r.yaml:6:13: \"!fc.** & a\" is", "put patterns in quotes: '!fc.** & a'")]
    public void Unquoted_patterns_are_recognised(string lines, string start, string hint)
    {
        var message = RecipeFixture.Fails(RecipeFixture.MinimalWith(lines)).Message;
        Assert.StartsWith(start, message, StringComparison.Ordinal);
        Assert.Contains(hint, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train: { epochs: 3", 6)]
    [InlineData("train:\n\tepochs: 3", 6)]
    [InlineData("name: \"x", 5)]
    [InlineData("name: a: b", 5)]
    [InlineData("name: @x", 5)]
    [InlineData("name: \"\\uZZZZ\"", 5)]
    [InlineData("? [a]\n: b", 5)]
    [InlineData("---\nversion: 1", 5)]
    public void Broken_yaml_is_told_with_its_line(string lines, int line) =>
        Assert.Equal(line, RecipeFixture.Fails(RecipeFixture.MinimalWith(lines)).Line);

    [Fact]
    public void Growing_without_bound_is_refused()
    {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + string.Concat(Enumerable.Range(1, 12).Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n"));
        Assert.Contains("more than 100000 values", RecipeFixture.Fails(bomb).Message, StringComparison.Ordinal);
        Assert.Contains("nested more than", RecipeFixture.Fails(new string('[', 1 << 20)).Message, StringComparison.Ordinal);
        Assert.Contains("nested more than", RecipeFixture.Fails(string.Concat(Enumerable.Repeat("- ", 1 << 19))).Message, StringComparison.Ordinal);
        Assert.Contains("characters; the most is", RecipeFixture.Fails(new string('a', (1 << 20) + 1)).Message, StringComparison.Ordinal);
    }
}
