using System.CommandLine;
using Frostline.Cli.Shell;
using Frostline.Training.Recipes;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline schema</c>: the JSON schema of recipes, by which editors complete and check them.</summary>
internal static class SchemaCommand
{
    public static Command Create(Terminal terminal)
    {
        var assemblies = new Option<string[]>("--assembly")
        {
            Description = "An assembly of your own whose networks, data sets and transforms the schema shall know too.",
            HelpName = "DLL",
            DefaultValueFactory = _ => [],
        };
        var command = new Command("schema", "Prints the JSON schema of recipes, for editors.") { assemblies };
        command.SetAction(result =>
        {
            terminal.Output.Write(RecipeSchema.Generate(Registries.Create(result.GetRequiredValue(assemblies))));
            return ExitCodes.Success;
        });
        return command;
    }
}
