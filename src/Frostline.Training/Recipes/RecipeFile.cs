using System.Text;

namespace Frostline.Training.Recipes;

/// <summary>What recipes and the files that they name have in common: UTF-8 text with a version.</summary>
internal static class RecipeFile
{
    /// <summary>The text of a file.</summary>
    /// <param name="path">The file as the user named it.</param>
    /// <param name="full">Its full path.</param>
    /// <param name="what">What it should be, for messages.</param>
    /// <exception cref="RecipeException">It is missing, too long or no UTF-8 text.</exception>
    public static string ReadText(string path, string full, string what)
    {
        var place = new RecipePosition(path, 0, 0);
        if (Directory.Exists(full)) throw new RecipeException(place, $"is a folder; name the {what}'s file");
        if (!File.Exists(full)) throw new RecipeException(place, $"there is no such file{NearFiles(full)}");
        try
        {
            var file = new FileInfo(full);
            // Four bytes a character at the most, and a byte-order mark.
            if (file.Length > (RecipeText.MostCharacters * 4L) + 4)
                throw new RecipeException(place, $"the file has {file.Length} bytes, too many for a {what}");
            var bytes = File.ReadAllBytes(full);
            var text = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes);
            return text.StartsWith('\uFEFF') ? text[1..] : text;
        }
        catch (DecoderFallbackException exception)
        {
            throw new RecipeException(place, "the file is not UTF-8 text", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RecipeException(place, $"the file cannot be read: {exception.Message}", exception);
        }
    }

    private static string NearFiles(string full)
    {
        var folder = Path.GetDirectoryName(full);
        if (!Directory.Exists(folder)) return $"; the folder {folder} does not exist";
        var names = Directory.EnumerateFiles(folder, "*.y*ml").Select(file => Path.GetFileName(file)).Take(1000);
        return NearestNames.Hint(Path.GetFileName(full), names);
    }

    /// <summary>Requires that the key <c>version</c> has the value 1.</summary>
    /// <param name="root">The whole file.</param>
    /// <param name="what">What it is, for messages.</param>
    /// <exception cref="RecipeException">It has another value, or is not there.</exception>
    public static void RequireVersion(MapNode root, string what)
    {
        const string Hint = "this Frostline reads version: 1";
        var version = root.Find("version");
        if (version is null) throw root.Error($"the {what} lacks the key \"version\"; {Hint}");
        if (version.Value is not ScalarNode { Quoted: false, Text: "1" })
            throw version.Value.Error($"\"{version.Value.Excerpt}\" is no version of a {what} that can be read; {Hint}");
    }
}
