using Frostline.Testing;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class KeyMapFileTests
{
    private const string Whole =
        """
        version: 1
        rules:
          - use: wrappers
          - strip-optional: net.
          - strip-prefix: encoder.
          - first-match:
              - rename: '^conv(\d)\.'
                to: 'stem.conv$1.'
              - rename: '^bn(\d)\.'
                to: 'stem.norm$1.'
              - map: { fc.weight: head.weight, fc.bias: head.bias }
          - rename: gamma$
            to: weight
          - add-prefix: backbone.
        """;

    [Fact]
    public void Every_kind_of_rule_is_read_in_order()
    {
        var result = KeyMapFile.Parse(Whole, "names.yaml")
            .Apply(["module.encoder.conv1.weight", "module.encoder.bn1.gamma", "module.fc.weight", "module.fc.bias"]);
        Assert.Equal(
            ["backbone.stem.conv1.weight", "backbone.stem.norm1.weight", "backbone.head.weight", "backbone.head.bias"],
            result.Pairs.Select(pair => pair.Target));
        Assert.Contains("strip optional prefix \"net.\" matched nothing", result.Remarks);
    }

    [Theory]
    [InlineData("", "names.yaml:1:1: the key map is empty; a key map is version: 1 and rules")]
    [InlineData("- a", "names.yaml:1:1: \"[…]\" is no key map")]
    [InlineData("rules: []", "the key map lacks the key \"version\"")]
    [InlineData("version: 2\nrules: []", "names.yaml:1:10: \"2\" is no version of a key map")]
    [InlineData("version: 1", "names.yaml:1:1: ")]
    [InlineData("version: 1\nrules: []", "names.yaml:2:8: ")]
    [InlineData("version: 1\nrules:\n  - strip-prefx: a.", "names.yaml:3:5: ")]
    [InlineData("version: 1\nrules:\n  - strip-prefix: ''", "names.yaml:3:5: \"strip-prefix\": is empty")]
    [InlineData("version: 1\nrules:\n  - strip-optional: ''", "names.yaml:3:5: \"strip-optional\": is empty")]
    [InlineData("version: 1\nrules:\n  - add-prefix: ''", "names.yaml:3:5: \"add-prefix\": is empty")]
    [InlineData("version: 1\nrules:\n  - rename: '('\n    to: a", "names.yaml:3:5: \"rename\": is no regular expression")]
    [InlineData("version: 1\nrules:\n  - rename: ''\n    to: a", "names.yaml:3:5: \"rename\": is empty")]
    [InlineData("version: 1\nrules:\n  - rename: a", "lacks the key \"to\"")]
    [InlineData("version: 1\nrules:\n  - map: {}", "names.yaml:3:5: \"map\": is empty")]
    [InlineData("version: 1\nrules:\n  - map: { a: '' }", "names.yaml:3:5: \"map\": \"a\" becomes empty")]
    [InlineData("version: 1\nrules:\n  - map: { a: b, a: c }", "\"a\" is given twice")]
    [InlineData("version: 1\nrules:\n  - first-match: []", "names.yaml:3:5: \"first-match\": is empty")]
    [InlineData("version: 1\nrules:\n  - use: modul", "did you mean \"module\"?")]
    [InlineData("version: 1\nrules:\n  - use: module\n---\n", "starts a second document; a key map is one")]
    public void What_is_wrong_is_said_with_its_place(string text, string message)
    {
        var error = Assert.Throws<RecipeException>(() => KeyMapFile.Parse(text, "names.yaml"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("recipe", error.Message, StringComparison.Ordinal);
        Assert.StartsWith("names.yaml:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_missing_is_named()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<RecipeException>(() => KeyMapFile.Load(Path.Combine(folder.Path, "gone.yaml")));
        Assert.Contains("there is no such file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recipe_names_a_file_or_a_ready_made_map_between_its_prefixes_and_renames()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "names.yaml"), "version: 1\nrules:\n  - rename: ^a\n    to: b\n");
        var recipe = Read(folder.Path, "map: names.yaml", "rename: [ { from: ^b, to: c } ]", "add-prefix: d.", "strip-prefix: module.");
        Assert.Equal("d.c.x", Target(recipe, "module.a.x"));
        Assert.Equal("x", Target(Read(folder.Path, "map: mmpose-hrnet"), "backbone.x"));
        Assert.Contains("map: mmpose-hrnet", Read(folder.Path, "map: mmpose-hrnet").ToYaml(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_map_that_is_nowhere_is_an_error_at_its_place()
    {
        using var folder = new TemporaryFolder();
        var recipe = Read(folder.Path, "map: mmpose-hrnets");
        var error = Assert.Throws<RecipeException>(() => recipe.KeyMapOf(recipe.Initialize.OfType<LoadRule>().Single()));
        Assert.StartsWith("test.yaml:5:10: \"mmpose-hrnets\" is neither a file", error.Message, StringComparison.Ordinal);
        Assert.Contains("did you mean \"mmpose-hrnet\"", error.Message, StringComparison.Ordinal);
    }

    private static string Target(Recipe recipe, string name) =>
        recipe.KeyMapOf(recipe.Initialize.OfType<LoadRule>().Single()).Apply([name]).Pairs[0].Target;

    private static Recipe Read(string folder, params string[] keys) => Recipe.Parse(
        $"{RecipeFixture.Minimal.Replace("data:", $"initialize:\n  - load: a.pth\n{string.Concat(keys.Select(key => $"    {key}\n"))}data:", StringComparison.Ordinal)}",
        "test.yaml",
        folder,
        RecipeFixture.Registry());
}
