using Frostline.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

public sealed class KeyMapTests
{
    private static readonly string[] s_names = ["module.conv1.weight", "module.bn1.weight", "module.bn1.bias"];

    [Fact]
    public void The_identity_keeps_every_name() =>
        Assert.All(KeyMap.Identity.Apply(s_names).Pairs, pair => Assert.Equal(pair.Source, pair.Target));

    [Fact]
    public void Rules_apply_one_after_the_other_and_keep_the_order()
    {
        var map = KeyMap.Identity.StripPrefix("module.").Rename(@"^bn(\d)\.", "norm$1.").Map("conv1.weight", "stem.weight").AddPrefix("backbone.");
        var result = map.Apply(s_names);
        Assert.Equal(s_names, result.Pairs.Select(p => p.Source));
        Assert.Equal(["backbone.stem.weight", "backbone.norm1.weight", "backbone.norm1.bias"], result.Pairs.Select(p => p.Target));
        Assert.Empty(result.Remarks);
        Assert.Equal(4, map.Rules.Count);
        Assert.Empty(KeyMap.Identity.Rules);
    }

    [Fact]
    public void Maps_compose()
    {
        var result = KeyMap.Identity.StripPrefix("module.").Then(KeyMap.Identity.AddPrefix("x.")).Apply(s_names);
        Assert.Equal("x.conv1.weight", result.Pairs[0].Target);
    }

    [Fact]
    public void An_optional_prefix_that_matches_nothing_is_a_remark()
    {
        var result = KeyMap.Identity.StripOptional("_orig_mod.").StripOptional("module.").Apply(s_names);
        Assert.Equal("conv1.weight", result.Pairs[0].Target);
        Assert.Equal(["strip optional prefix \"_orig_mod.\" matched nothing"], result.Remarks);
    }

    [Fact]
    public void A_prefix_is_stripped_only_where_it_is()
    {
        var result = KeyMap.Identity.StripPrefix("module.").Apply(["module.a", "b"]);
        Assert.Equal(["a", "b"], result.Pairs.Select(p => p.Target));
    }

    [Fact]
    public void A_rule_that_matches_nothing_is_an_error_with_the_nearest_names()
    {
        Assert.Contains("did you mean \"module.\"?", Error(KeyMap.Identity.StripPrefix("modul.")), StringComparison.Ordinal);
        Assert.Contains("did you mean \"module.bn1.bias\"", Error(KeyMap.Identity.Map("module.bn1.bia", "x")), StringComparison.Ordinal);
        Assert.Contains("matches none of 3 names; the first is \"module.conv1.weight\"", Error(KeyMap.Identity.Rename("^layer9", "x")), StringComparison.Ordinal);
        Assert.Contains("matches none of 0 names", Assert.Throws<CheckpointException>(() => KeyMap.Identity.AddPrefix("a.").Apply([])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Collisions_and_empty_names_are_errors()
    {
        Assert.Contains(
            "\"module.conv1.weight\" and \"module.bn1.weight\" both become \"module.x.weight\"",
            Error(KeyMap.Identity.Rename("conv1|bn1", "x")),
            StringComparison.Ordinal);
        Assert.Contains("leaves nothing", Error(KeyMap.Identity.Rename(".*", "")), StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_expressions_are_errors()
    {
        Assert.Contains("not a regular expression", Assert.Throws<CheckpointException>(() => KeyMap.Identity.Rename("(", "x")).Message, StringComparison.Ordinal);
        var slow = KeyMap.Identity.Rename("^(a+)+$", "x");
        Assert.Contains("too long", Assert.Throws<CheckpointException>(() => slow.Apply([new string('a', 60) + "b"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_alternative_that_matches_takes_a_name()
    {
        var map = KeyMap.Identity.StripPrefix("module.").FirstMatch(
            KeyMap.Identity.Rename("^conv1", "stem").AddPrefix("a."),
            KeyMap.Identity.AddPrefix("never."));
        // An added prefix matches every name, so nothing is left for the second alternative.
        Assert.Contains("add prefix \"never.\" matches none of 0 names", Error(map), StringComparison.Ordinal);

        var result = KeyMap.Identity.StripPrefix("module.").FirstMatch(
            KeyMap.Identity.Rename("^conv1", "bn1"),
            KeyMap.Identity.Rename("^bn1", "norm").Rename("weight$", "scale"),
            KeyMap.Identity.StripOptional("module.")).Apply(s_names);
        Assert.Equal(["bn1.weight", "norm.scale", "norm.bias"], result.Pairs.Select(p => p.Target));
        Assert.Equal(["strip optional prefix \"module.\" matched nothing"], result.Remarks);
    }

    [Fact]
    public void Names_can_be_exchanged_and_every_one_of_the_pairs_must_be_there()
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal) { ["a"] = "b", ["b"] = "a" };
        Assert.Equal(["b", "a", "c"], KeyMap.Identity.Map(pairs).Apply(["a", "b", "c"]).Pairs.Select(p => p.Target));
        Assert.Equal(["first match of (map \"a\" to \"b\" | map \"b\" to \"a\")"], KeyMap.Identity.Map(pairs).Rules);
        var error = Assert.Throws<CheckpointException>(() => KeyMap.Identity.Map(pairs).Apply(["a", "c"]));
        Assert.Contains("map \"b\" to \"a\" matches none of 1 names", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Alternatives_need_rules()
    {
        Assert.Throws<ArgumentException>(() => KeyMap.Identity.FirstMatch());
        Assert.Throws<ArgumentException>(() => KeyMap.Identity.FirstMatch(KeyMap.Identity));
    }

    private static string Error(KeyMap map) => Assert.Throws<CheckpointException>(() => map.Apply(s_names)).Message;
}
