using System.CommandLine;
using System.Globalization;

namespace Frostline.Cli.Commands;

/// <summary>Arguments and options that several commands share, worded once.</summary>
internal static class CommonOptions
{
    public static Argument<string> Recipe() => new("RECIPE") { Description = "The recipe: a YAML file, see docs/recipes.md." };

    public static Argument<string> Checkpoint(string name, string description) => new(name) { Description = description };

    public static Option<string?> Key(string name = "--key", string file = "the file") => new(name)
    {
        Description = $"Which dictionary inside {file}, as a path with slashes. Default: the usual wrappers are found.",
        HelpName = "NAME",
    };

    public static Option<bool> Json() => new("--json")
    {
        Description = "Write the result as JSON to standard output, and everything else to standard error.",
    };

    public static Option<string[]> Set()
    {
        var option = new Option<string[]>("--set")
        {
            Description = "Replace values of the recipe: train.epochs=3 \"freeze[0].freeze=layer1\". Takes several.",
            HelpName = "KEY=VALUE",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
        };
        option.Validators.Add(result =>
        {
            // The option takes all that follows it, so a recipe behind it lands here.
            if (result.Tokens.FirstOrDefault(token => !token.Value.Contains('=', StringComparison.Ordinal)) is { } token)
            {
                result.AddError(
                    $"--set takes KEY=VALUE, and \"{token.Value}\" has no equals sign; write other arguments before --set");
            }
        });
        return option;
    }

    public static Option<int?> Threads() => AtLeastOne(
        "--threads", "How many threads libtorch computes with. Default: the recipe's, else the physical cores.");

    /// <summary>An option whose value is a whole number from 1.</summary>
    public static Option<int?> AtLeastOne(string name, string description)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is not [var token]) return;
            if (!int.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) || number < 1)
                result.AddError($"{name} takes a whole number from 1, not \"{token.Value}\"");
        });
        return option;
    }
}
