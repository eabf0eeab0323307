using System.CommandLine;
using System.CommandLine.Parsing;

namespace Frostline.Cli.Shell;

/// <summary>Says in one line what is wrong with a command line.</summary>
internal static class UsageErrors
{
    /// <summary>The first error of a command line that does not parse, with the nearest valid names and where help is.</summary>
    public static string Explain(ParseResult result)
    {
        var command = result.CommandResult.Command;
        var path = PathOf(result.CommandResult);
        if (result.UnmatchedTokens is [var unknown, ..]) return Unknown(unknown, command, path);
        var message = result.Errors is [var first, ..] ? first.Message.TrimEnd('.') : "which command?";
        return $"{message}; see {path} --help";
    }

    private static string Unknown(string token, Command command, string path)
    {
        var isOption = token.StartsWith('-');
        var candidates = isOption
            ? command.Options.SelectMany(option => option.Aliases.Prepend(option.Name))
            : command.Subcommands.Select(subcommand => subcommand.Name);
        var kind = isOption ? "option" : command.Subcommands.Count > 0 ? "command" : "argument";
        var hint = NearestNames.Hint(token, candidates);
        return $"{path} has no {kind} \"{token}\"{(hint.Length > 0 ? hint : $"; see {path} --help")}";
    }

    private static string PathOf(CommandResult result) => result.Parent is CommandResult parent
        ? $"{PathOf(parent)} {result.Command.Name}"
        : "frostline";
}
