using System.Globalization;
using System.Text.Json.Nodes;
using Frostline.Initialization;
using Frostline.Training.Recipes;
using NJsonSchema;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class RecipeSchemaTests
{
    private static readonly string Text = RecipeSchema.Generate(RecipeFixture.Registry());

    [Fact]
    public void The_same_registry_gives_the_same_text() => Assert.Equal(Text, RecipeSchema.Generate(RecipeFixture.Registry()));

    [Fact]
    public void Keys_have_descriptions_defaults_and_ranges()
    {
        var schema = JsonNode.Parse(Text)!;
        Assert.Equal(["version", "model", "data"], schema["required"]!.AsArray().Select(n => (string)n!));
        Assert.Equal("The seed of every random draw. Default: 0.", (string)schema["properties"]!["seed"]!["description"]!);
        var epochs = schema["$defs"]!["train-settings"]!["properties"]!["epochs"]!;
        Assert.Equal((1, 10), ((int)epochs["minimum"]!, (int)epochs["default"]!));
        Assert.Equal("1x", (string)schema["$defs"]!["freeze-rule"]!["anyOf"]![1]!["properties"]!["learning-rate"]!["default"]!);
        Assert.Equal("adamw", (string)schema["$defs"]!["train-settings"]!["properties"]!["optimizer"]!["default"]!);
        Assert.DoesNotContain("\\u0022", Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_key_of_the_recipe_has_a_description()
    {
        var bare = new List<string>();
        Walk(JsonNode.Parse(Text)!, "", bare);
        // The fakes of these tests have no doc-comments.
        bare.RemoveAll(path => path.Contains("network", StringComparison.Ordinal) || path.Contains("data-set", StringComparison.Ordinal) || path.Contains("transform-in-list", StringComparison.Ordinal) || path.StartsWith("/$defs/transform/", StringComparison.Ordinal));
        Assert.Empty(bare);
    }

    [Theory]
    [InlineData(RecipeFixture.Minimal)]
    [InlineData(RecipeFixture.Full)]
    public async Task Recipes_that_load_satisfy_the_schema(string text)
    {
        var schema = await Schema();
        Assert.Empty(schema.Validate(ToJson(text)));
        Assert.Empty(schema.Validate(ToJson(RecipeFixture.Parse(text).ToYaml())));
    }

    [Theory]
    [InlineData("train: { epochz: 3 }")]
    [InlineData("train: { epochs: 0 }")]
    [InlineData("train: { epochs: many }")]
    [InlineData("freeze: [ { train: a, learning-rate: 0.1 } ]")]
    [InlineData("freeze: [ { trane: a } ]")]
    [InlineData("train: { optimizer: { name: sgd, lr: 1 } }")]
    [InlineData("initialize: [ { load: x, require: 95 } ]")]
    public async Task Recipes_that_do_not_load_fail_the_schema(string line)
    {
        var schema = await Schema();
        Assert.NotEmpty(schema.Validate(ToJson(RecipeFixture.MinimalWith(line))));
        RecipeFixture.Fails(RecipeFixture.MinimalWith(line));
    }

    [Fact]
    public void Recipes_name_every_initializer_and_scheme()
    {
        var registry = RecipeFixture.Registry();
        Assert.Equal(Initializers.All.Select(i => i.Name), registry.Initializers.Entries.Select(e => e.Name));
        Assert.Equal(InitializationScheme.All.Select(s => s.Name).Order(StringComparer.Ordinal), registry.Schemes.Entries.Select(e => e.Name));
        foreach (var entry in registry.Initializers.Entries)
        {
            var options = Activator.CreateInstance(entry.OptionsType)!;
            var defaults = entry.Name is "constant" or "sparse"
                ? Initializers.Create(entry.Name, new Dictionary<string, string> { [entry.Name == "constant" ? "value" : "sparsity"] = "0" })
                : Initializers.Create(entry.Name);
            Assert.Equal(defaults.ToString(), entry.Create(options, new() { Folder = "." }).ToString());
        }
    }

    /// <summary>The validator knows the older name of definitions only.</summary>
    private static Task<JsonSchema> Schema() =>
        JsonSchema.FromJsonAsync(Text.Replace("$defs", "definitions", StringComparison.Ordinal), TestContext.Current.CancellationToken);

    private static void Walk(JsonNode node, string path, List<string> bare)
    {
        if (node is JsonArray array)
        {
            for (var i = 0; i < array.Count; i++)
                Walk(array[i]!, string.Create(CultureInfo.InvariantCulture, $"{path}/{i}"), bare);
        }
        else if (node is JsonObject map)
        {
            foreach (var (name, value) in map)
            {
                if (name == "properties")
                    bare.AddRange(value!.AsObject().Where(p => p.Key != "name" && p.Value!["description"] is null).Select(p => $"{path}/{p.Key}"));
                if (value is not null) Walk(value, $"{path}/{name}", bare);
            }
        }
    }

    private static string ToJson(string yaml) => Node(RecipeText.Read(yaml, "r.yaml"))?.ToJsonString() ?? "null";

    private static JsonNode? Node(RecipeNode node) => node switch
    {
        MapNode map => new JsonObject(map.Entries.Select(e => KeyValuePair.Create(e.Key.Text, Node(e.Value)))),
        ListNode list => new JsonArray([.. list.Items.Select(Node)]),
        ScalarNode { IsNull: true } => null,
        ScalarNode { Quoted: false, Text: "true" } => true,
        ScalarNode { Quoted: false, Text: "false" } => false,
        ScalarNode { Quoted: false } number when long.TryParse(number.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
        ScalarNode { Quoted: false } number when double.TryParse(number.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) => real,
        ScalarNode text => text.Text,
        _ => throw new InvalidOperationException(),
    };
}
