using System.CommandLine;
using Frostline.Cli.Shell;
using Frostline.Training.Recipes;
using Frostline.Training.Sweeps;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline sweep</c>: many trials of one recipe for one evaluation of what is frozen.</summary>
internal static class SweepCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var recipe = CommonOptions.Recipe();
        var grid = Grid();
        var output = new Option<string?>("--output")
        {
            Description = "The folder for sweep.json, sweep.md and the best trial's run folder. Default: runs/ and the name of the recipe's file with -sweep.",
            HelpName = "DIR",
        };
        var set = CommonOptions.Set();
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command("sweep", "Trains many variants of a recipe together, evaluates what is frozen once for all, and runs the best by itself.")
        {
            recipe, grid, output, set, threads, json,
        };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(recipe);
            var options = new SweepJobOptions
            {
                Output = result.GetValue(output) ?? RunFolders.Default($"{Path.GetFileNameWithoutExtension(path)}-sweep.yaml", resume: false),
                Grid = result.GetRequiredValue(grid),
                Threads = result.GetValue(threads),
            };
            var loaded = Recipe.Load(path, Registries.Create(), result.GetRequiredValue(set));
            return Run(terminal, loaded, options, result.GetValue(json), cancellation);
        });
        return command;
    }

    private static Option<string[]> Grid()
    {
        var option = new Option<string[]>("--grid")
        {
            Description = "What is varied: learning-rate=1e-3,1e-2 weight-decay=0,1e-4. An option of the optimizer, seed, or a path of the recipe above the frost line. Takes several; trials are the product.",
            HelpName = "KEY=VALUES",
            AllowMultipleArgumentsPerToken = true,
            Required = true,
        };
        option.Validators.Add(result =>
        {
            // The option takes all that follows it, so a recipe behind it lands here.
            if (result.Tokens.FirstOrDefault(token => !token.Value.Contains('=', StringComparison.Ordinal)) is { } token)
                result.AddError($"--grid takes KEY=VALUE,VALUE, and \"{token.Value}\" has no equals sign; write other arguments before --grid");
        });
        return option;
    }

    private static int Run(Terminal terminal, Recipe recipe, SweepJobOptions options, bool json, CancellationToken cancellation)
    {
        var result = TrainingDisplay.Show(terminal, json, observer => new SweepJob(recipe, options, observer).Run(cancellation));
        Write(terminal.Text(json), result);
        if (json) terminal.Output.Write(result.Summary.ToJson() + "\n");
        if (result.Best?.Summary.Audit is { Moved: > 0 } audit)
            throw new FrostlineException($"{audit.Moved} of {audit.FrozenTensors} frozen tensors moved, the first {audit.MovedNames[0]}; see {result.Best.Folder.Summary}");
        if (!result.IsComplete) return ExitCodes.Interrupted;
        return result.Best is not null
            ? ExitCodes.Success
            : throw new FrostlineException($"all {result.Summary.Trials.Count} trials diverged; see {Path.Combine(result.Folder, "sweep.md")}, and lower the learning rates");
    }

    private static void Write(TextWriter text, SweepResult result)
    {
        var sweep = result.Summary;
        var table = new TextTable([.. SweepReport.Titles(sweep).Select((title, i) => i == 0 ? $">{title}" : title)]);
        foreach (var row in SweepReport.Rows(sweep)) table.Add([.. row]);
        table.Write(text);
        text.Write($"{SweepReport.Prefix(sweep)}\n");
        if (!sweep.Complete) text.Write("stopped; the table is what is known so far, and no trial was run by itself\n");
        else text.Write($"{SweepReport.Best(sweep)}\n");
        if (result.Best is { IsComplete: false }) text.Write("stopped; frostline train with the sets of the best trial, --output and --resume goes on with its run\n");
        text.Write($"sweep folder: {result.Folder}\n");
    }
}
