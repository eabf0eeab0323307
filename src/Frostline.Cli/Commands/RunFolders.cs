using System.Globalization;

namespace Frostline.Cli.Commands;

/// <summary>Where a run goes when the command line does not say.</summary>
internal static class RunFolders
{
    /// <summary>
    /// <c>runs/NAME</c> below the current folder, NAME being the recipe's file without its extension. A run is never
    /// written over: where that folder exists, <c>runs/NAME-2</c> and so on. To resume is to resume the one of the highest number.
    /// </summary>
    /// <param name="recipe">The recipe's file.</param>
    /// <param name="resume">Whether a run is to be gone on with.</param>
    /// <param name="folder">The folder that has or gets <c>runs</c>; null for the current one.</param>
    public static string Default(string recipe, bool resume, string? folder = null)
    {
        var first = Path.Combine(folder ?? Directory.GetCurrentDirectory(), "runs", Path.GetFileNameWithoutExtension(recipe));
        var latest = first;
        for (var number = 2; Directory.Exists(latest); number++)
        {
            var next = string.Create(CultureInfo.InvariantCulture, $"{first}-{number}");
            if (resume && !Directory.Exists(next)) return latest;
            latest = next;
        }

        return latest;
    }
}
