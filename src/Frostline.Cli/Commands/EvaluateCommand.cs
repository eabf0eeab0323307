using System.CommandLine;
using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.Training.Jobs;
using Frostline.Training.Metrics;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline evaluate</c>: how well a model does on a recipe's validation data.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var recipe = CommonOptions.Recipe();
        var checkpoint = new Option<string>("--checkpoint")
        {
            Description = "The model: model.safetensors of a run folder, or any checkpoint that fits the recipe's network.",
            HelpName = "FILE",
            Required = true,
        };
        var set = CommonOptions.Set();
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command("evaluate", "Measures a model on a recipe's validation data.")
        {
            recipe, checkpoint, set, threads, json,
        };
        command.SetAction(result =>
        {
            var registry = Registries.Create();
            var loaded = Recipe.Load(result.GetRequiredValue(recipe), registry, result.GetRequiredValue(set));
            var job = new EvaluateJob(loaded, registry, result.GetRequiredValue(checkpoint));
            var toJson = result.GetValue(json);
            var evaluation = ProgressBar.Show(
                terminal, toJson, "evaluate", progress => job.Run(result.GetValue(threads), progress, cancellation));
            if (toJson) terminal.Output.Write(JsonSerializer.Serialize(evaluation, RunJson.Page) + "\n");
            else Write(terminal.Output, evaluation);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(TextWriter output, EvaluateResult result)
    {
        output.Write($"{result.Checkpoint}: {Units.Count(result.Samples)} samples\n\n");
        var numbers = new TextTable("metric", ">value");
        foreach (var (name, value) in result.Metrics) numbers.Add(name, Numbers.Of(value));
        numbers.Write(output);
        foreach (var table in result.Tables) Write(output, table);
        foreach (var name in result.Unreadable) output.Write($"unreadable, left out: {name}\n");
        foreach (var remark in result.Remarks) output.Write($"remark: {remark}\n");
    }

    private static void Write(TextWriter output, MetricTable table)
    {
        output.Write($"\n{table.Name}\n");
        var text = new TextTable(["", .. table.Columns.Select(column => $">{column}")]);
        for (var row = 0; row < table.Rows.Count; row++)
            text.Add([table.Rows[row], .. table.Cells[row].Select(Numbers.Of)]);
        text.Write(output);
    }
}
