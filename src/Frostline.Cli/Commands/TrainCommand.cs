using System.CommandLine;
using System.Globalization;
using Frostline.Cli.Shell;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline train</c>: from a recipe to a run folder.</summary>
internal static class TrainCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var recipe = CommonOptions.Recipe();
        var output = new Option<string?>("--output")
        {
            Description = "The run folder. Default: runs/ and the name of the recipe's file, with the next free number.",
            HelpName = "DIR",
        };
        var set = CommonOptions.Set();
        var resume = new Option<bool>("--resume")
        {
            Description = "Go on with the training that the run folder holds; begin where it holds none.",
        };
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command("train", "Trains what a recipe describes and proves that what is frozen did not move.")
        {
            recipe, output, set, resume, threads, json,
        };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(recipe);
            var options = new TrainJobOptions
            {
                Output = result.GetValue(output) ?? RunFolders.Default(path, result.GetValue(resume)),
                Resume = result.GetValue(resume),
                Threads = result.GetValue(threads),
            };
            var loaded = Recipe.Load(path, Registries.Create(), result.GetRequiredValue(set));
            return Run(terminal, loaded, options, result.GetValue(json), cancellation);
        });
        return command;
    }

    private static int Run(Terminal terminal, Recipe recipe, TrainJobOptions options, bool json, CancellationToken cancellation)
    {
        var result = TrainingDisplay.Show(terminal, json, observer => new TrainJob(recipe, options, observer).Run(cancellation));
        var summary = result.Summary;
        WriteSummary(terminal.Text(json), result);
        if (json) terminal.Output.Write(summary.ToJson() + "\n");
        if (summary.Audit.Moved > 0)
        {
            var audit = summary.Audit;
            var moved = $"{audit.Moved} of {audit.FrozenTensors} frozen tensors moved, the first {audit.MovedNames[0]}";
            throw new FrostlineException($"{moved}; see {result.Folder.Summary}");
        }

        return result.IsComplete ? ExitCodes.Success : ExitCodes.Interrupted;
    }

    private static void WriteSummary(TextWriter text, TrainResult result)
    {
        var summary = result.Summary;
        if (!result.IsComplete)
        {
            text.Write($"stopped; everything is saved in {result.Folder.Path}, and --resume goes on from here\n");
            return;
        }

        if (summary.Best is { } best) text.Write($"best: epoch {best.Epoch}{Numbers.Of(best.Metrics, ", ")}\n");
        var seconds = summary.Seconds.Total.ToString("F1", CultureInfo.InvariantCulture);
        text.Write($"trained {Units.Count(summary.Model.Trainable)} of {Units.Count(summary.Model.Parameters)} parameters ");
        text.Write($"for {summary.Epochs.Count} epochs in {seconds} s\n");
        if (summary.Audit.Moved == 0) text.Write(AuditLine(summary.Audit));
        text.Write($"run folder: {result.Folder.Path}\n");
    }

    private static string AuditLine(AuditSummary audit) => audit.FrozenTensors == 0
        ? "nothing was frozen\n"
        : $"audit: {Units.Count(audit.FrozenTensors)} frozen tensors, none moved by a bit\n";
}
