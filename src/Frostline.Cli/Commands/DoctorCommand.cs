using System.CommandLine;
using Frostline.Cli.Shell;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline doctor</c>: what keeps a recipe from training what its plan says, and what to do about it.</summary>
internal static class DoctorCommand
{
    public static Command Create(Terminal terminal)
    {
        var recipe = CommonOptions.Recipe();
        var set = CommonOptions.Set();
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command(
            "doctor",
            $"Makes a dry step of each phase and says what keeps a recipe from training what its plan says. Exit code {ExitCodes.BadInput} where train would stop.")
        {
            recipe, set, threads, json,
        };
        command.SetAction(result =>
        {
            var loaded = Recipe.Load(result.GetRequiredValue(recipe), Registries.Create(), result.GetRequiredValue(set));
            var report = new DoctorJob(loaded).Run(result.GetValue(threads));
            terminal.Output.Write(result.GetValue(json) ? report.ToJson() + "\n" : report.Describe());

            // The text shows all that is wrong; scripts see it by the exit code.
            return report.Refusal is { } refusal ? throw new FrostlineException($"train would stop: {refusal}") : ExitCodes.Success;
        });
        return command;
    }
}
