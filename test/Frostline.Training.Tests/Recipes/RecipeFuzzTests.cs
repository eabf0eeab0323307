using CsCheck;
using Frostline.Testing;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class RecipeFuzzTests
{
    private static readonly Registration.Registry Registry = RecipeFixture.Registry();

    /// <summary>Pieces that mean something to YAML or to a recipe.</summary>
    private static readonly string[] Pieces =
    [
        "\n", "\n  ", "\n- ", ": ", "- ", "[", "]", "{", "}", ",", "\"", "'", "&a ", "*a", "!t ", "#", "|", ">", "%", "~", "---\n", "...\n", "? ", "\t", "\0", "\uFEFF", "\u0085",
        "\\", "name", "train: ", "1e400", "-1", "0x", "50%", "null", "on", "\"\\uD800\"", "\"\\x\"", "<<: *a\n", "version: 1\n", "\u2028", "\uD83D", "é",
    ];

    [Fact]
    public void Mutated_recipes_give_a_recipe_or_a_recipe_error() =>
        Gen.Select(Gen.Select(Gen.Int[0, 4000], Gen.Int[0, 30], Gen.OneOf(Pieces)).Array[1, 6], Gen.Bool)
            .Holds(
                (edits, minimal) =>
                {
                    var text = minimal ? RecipeFixture.Minimal : RecipeFixture.Full;
                    foreach (var (at, length, piece) in edits)
                    {
                        var start = at % (text.Length + 1);
                        var removed = length < 15 ? 0 : Math.Min(length - 15, text.Length - start);
                        text = string.Concat(text.AsSpan(0, start), piece, text.AsSpan(start + removed));
                    }

                    ParseSafely(text);
                },
                samples: 1500);

    [Fact]
    public void Random_yaml_gives_a_recipe_or_a_recipe_error() =>
        Gen.OneOf(Pieces).Array[0, 40].Holds(pieces => ParseSafely(string.Concat(pieces)), samples: 3000);

    private static void ParseSafely(string text)
    {
        try
        {
            var recipe = Recipe.Parse(text, "r.yaml", ".", Registry);
            DeepEquality.AssertSame(recipe, Recipe.Parse(recipe.ToYaml(), "r.yaml", ".", Registry));
        }
        catch (RecipeException exception)
        {
            Assert.DoesNotContain('\n', exception.Message);
            Assert.StartsWith("r.yaml:", exception.Message, StringComparison.Ordinal);
        }
    }
}
