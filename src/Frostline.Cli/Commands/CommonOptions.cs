using System.CommandLine;

namespace Frostline.Cli.Commands;

/// <summary>Options that several commands share, worded once.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json() => new("--json")
    {
        Description = "Write the result as JSON to standard output, and everything else to standard error.",
    };
}
