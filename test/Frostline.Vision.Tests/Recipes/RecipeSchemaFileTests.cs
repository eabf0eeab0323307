using System.Globalization;
using System.Text.Json.Nodes;
using Frostline.Testing;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using NJsonSchema;
using Xunit;
using YamlDotNet.Serialization;

namespace Frostline.Vision.Tests.Recipes;

public sealed class RecipeSchemaFileTests
{
    [Fact]
    public void Every_option_that_a_recipe_can_write_has_a_description()
    {
        var bare = new List<string>();
        Walk(JsonNode.Parse(RecipeSchema.Generate(Registry()))!, "", bare);
        Assert.Empty(bare);
    }

    [Fact]
    public void Every_example_loads()
    {
        var folder = Path.Combine(Fixtures.Repository, "examples");
        if (!Directory.Exists(folder)) return;
        foreach (var file in Directory.EnumerateFiles(folder, "*.yaml", SearchOption.AllDirectories))
        {
            var recipe = Recipe.Load(file, Registry());
            Assert.Equal(recipe.ToYaml(), Recipe.Parse(recipe.ToYaml(), file, recipe.Folder, Registry()).ToYaml());
        }
    }

    [Fact]
    public async Task An_editor_finds_every_example_valid_and_a_misspelt_key_wrong()
    {
        // The validator knows the older name of this keyword only; its meaning is the same.
        var olderText = RecipeSchema.Generate(Registry()).Replace("$defs", "definitions", StringComparison.Ordinal);
        var schema = await JsonSchema.FromJsonAsync(olderText, TestContext.Current.CancellationToken);
        var texts = Directory.EnumerateFiles(Path.Combine(Fixtures.Repository, "examples"), "*.yaml", SearchOption.AllDirectories)
            .Select(File.ReadAllText)
            .Append(RecipeOfTheDocumentation())
            .ToList();
        Assert.All(texts, text => Assert.Empty(schema.Validate(Json(text))));
        Assert.All(texts, text => Assert.NotEmpty(schema.Validate(Json(text.Replace("epochs:", "epoch:", StringComparison.Ordinal)))));
    }

    [Fact]
    public void The_recipe_of_the_documentation_loads() => Assert.Equal(
        "resnet18", Recipe.Parse(RecipeOfTheDocumentation(), "docs/recipes.md", Fixtures.Repository, Registry()).Model.Name);

    private static string RecipeOfTheDocumentation()
    {
        var page = File.ReadAllText(Path.Combine(Fixtures.Repository, "docs", "recipes.md"));
        var start = page.IndexOf("```yaml\n", StringComparison.Ordinal) + "```yaml\n".Length;
        return page[start..page.IndexOf("```\n", start, StringComparison.Ordinal)];
    }

    private static string Json(string yaml) => new SerializerBuilder().JsonCompatible().Build().Serialize(
        new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize<object>(yaml));

    private static void Walk(JsonNode node, string path, List<string> bare)
    {
        var children = node switch
        {
            JsonArray array => array.Select((item, index) => (Name: index.ToString(CultureInfo.InvariantCulture), Value: item)),
            JsonObject map => map.Select(pair => (Name: pair.Key, pair.Value)),
            _ => [],
        };
        foreach (var (name, value) in children)
        {
            if (path.EndsWith("/properties", StringComparison.Ordinal) && name != "name" && value!["description"] is null) bare.Add($"{path}/{name}");
            if (value is not null) Walk(value, $"{path}/{name}", bare);
        }
    }

    private static Registry Registry() => new Registry().Add(new TrainingExtension()).Add(new VisionExtension());
}
