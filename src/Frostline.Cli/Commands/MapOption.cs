using System.CommandLine;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Training.Recipes;

namespace Frostline.Cli.Commands;

/// <summary><c>--map</c>: a ready-made key map, or a YAML file of one; and what a map did, for people and for programs.</summary>
internal static class MapOption
{
    private const int MostNames = 5;

    // The maps' names are not listed here: whatever the command, its options are made when the program starts.
    public static Option<string?> Create(string whose) => new("--map")
    {
        Description = $"Rename {whose}: a YAML file, or the name of a ready-made map; see docs/checkpoints.md.",
        HelpName = "FILE|NAME",
    };

    /// <summary>What the option stands for; null where it was not given.</summary>
    /// <exception cref="FrostlineException">It is neither the name of a map nor a file, or the file is wrong.</exception>
    public static KeyMap? Find(string? map)
    {
        if (map is null) return null;
        if (KeyMaps.Find(map) is { } known) return known;
        if (File.Exists(map)) return Read(map);
        throw new FrostlineException(
            $"--map: \"{map}\" is neither a file nor one of {string.Join(", ", KeyMaps.Names)}{NearestNames.Hint(map, KeyMaps.Names)}");
    }

    /// <summary>Writes how many names changed, the first of them, and the map's remarks.</summary>
    public static void WriteText(TextWriter output, IReadOnlyList<(string From, string To)> renamed, IReadOnlyList<string> remarks)
    {
        if (renamed.Count > 0)
        {
            var first = string.Join(", ", renamed.Take(MostNames).Select(pair => $"{pair.From} -> {pair.To}"));
            output.Write($"renamed: {Units.Count(renamed.Count)} tensors ({first}{(renamed.Count > MostNames ? ", …" : "")})\n");
        }

        foreach (var remark in remarks) output.Write($"remark: {remark}\n");
    }

    /// <summary>Writes the map's remarks as a list in the object that is open.</summary>
    public static void WriteRemarks(Utf8JsonWriter writer, IReadOnlyList<string> remarks)
    {
        writer.WriteStartArray("remarks");
        foreach (var remark in remarks) writer.WriteStringValue(remark);
        writer.WriteEndArray();
    }

    // Apart, so that the assembly with the YAML reader is loaded only where a file is to be read.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static KeyMap Read(string path) => KeyMapFile.Load(path);
}
