using System.Text.Encodings.Web;
using System.Text.Json;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>The JSON schema of recipes, from which editors complete and check them.</summary>
public static class RecipeSchema
{
    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        // The schema is no part of a web page: quotes and brackets stay readable.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>
    /// Writes the schema (draft 2020-12) of <see cref="Recipe"/> with what a registry can name: keys, types, ranges, defaults,
    /// and descriptions from the doc-comments, read from the XML files beside the assemblies.
    /// </summary>
    /// <param name="registry">What recipes can name.</param>
    /// <returns>The same text for the same registry; lines end with a line feed.</returns>
    public static string Generate(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        var root = new RecipeSchemaBuilder(registry).Root();
        return root.ToJsonString(Format) + "\n";
    }
}
