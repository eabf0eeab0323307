using System.CommandLine;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Freezing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline audit</c>: whether what a recipe freezes is the same in two files, bit for bit.</summary>
internal static class AuditCommand
{
    private const int MostNames = 3;

    public static Command Create(Terminal terminal)
    {
        var first = CommonOptions.Checkpoint(
            "BEFORE", "What the network was: a checkpoint that the recipe loads, or one by the network's names.");
        var second = CommonOptions.Checkpoint("AFTER", "What it became, for example model.safetensors of a run.");
        var plan = new Option<string>("--plan")
        {
            Description = "The recipe whose freeze plan has to have been kept: a YAML file, see docs/recipes.md.",
            HelpName = "RECIPE",
            Required = true,
        };
        var keyBefore = CommonOptions.Key("--key-before", "BEFORE");
        var keyAfter = CommonOptions.Key("--key-after", "AFTER");
        var set = CommonOptions.Set();
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command(
            "audit",
            $"Proves that what a recipe freezes is the same in two files. Exit code {ExitCodes.Success} where it is, bit for bit, "
            + $"{ExitCodes.Different} where something moved.")
        {
            first, second, plan, keyBefore, keyAfter, set, threads, json,
        };
        command.SetAction(result =>
        {
            var registry = Registries.Create();
            var recipe = Recipe.Load(result.GetRequiredValue(plan), registry, result.GetRequiredValue(set));
            using var before = Checkpoint.Open(result.GetRequiredValue(first), result.GetValue(keyBefore));
            using var after = Checkpoint.Open(result.GetRequiredValue(second), result.GetValue(keyAfter));
            var report = new AuditJob(recipe, registry).Run(before, after, result.GetValue(threads));
            if (result.GetValue(json)) terminal.Output.Write(report.ToJson() + "\n");
            else Write(terminal.Output, report);
            return report.Moved.Count == 0 ? ExitCodes.Success : ExitCodes.Different;
        });
        return command;
    }

    private static void Write(TextWriter output, AuditReport report)
    {
        var table = new TextTable("name", "audit", "change", ">elements", ">largest change");
        foreach (var tensor in report.Moved) Add(table, tensor, "frozen, and moved");
        foreach (var tensor in report.StatedDrift) Add(table, tensor, "moves as the plan says");
        table.Write(output);
        if (report.Moved.Count + report.StatedDrift.Count > 0) output.Write('\n');

        foreach (var group in report.NotCompared.GroupBy(tensor => tensor.Reason, StringComparer.Ordinal))
            output.Write($"not compared: {Named([.. group.Select(tensor => tensor.Name)], "frozen tensor")}: {group.Key}\n");
        foreach (var group in report.TrainedButUnmoved.GroupBy(tensor => tensor.Cause, StringComparer.Ordinal))
            output.Write($"warning: {Named([.. group.Select(tensor => tensor.Name)], "trained parameter")} did not move: {group.Key}\n");
        foreach (var remark in report.Remarks) output.Write($"remark: {remark}\n");
        output.Write(Result(report));
    }

    private static void Add(TextTable table, MovedTensor tensor, string finding) => table.Add(
        tensor.Name, finding, tensor.Change.ToString().ToLowerInvariant(),
        tensor.ChangedElements is { } elements ? Units.Count(elements) : "-",
        tensor.LargestChange is { } largest ? Numbers.Of(largest) : "-");

    private static string Named(IReadOnlyList<string> names, string what)
    {
        var count = names.Count == 1 ? $"1 {what}" : $"{Units.Count(names.Count)} {what}s";
        return $"{count} ({string.Join(", ", names.Take(MostNames))}{(names.Count > MostNames ? ", …" : "")})";
    }

    private static string Result(AuditReport report)
    {
        if (report.FrozenTensors == 0) return "nothing is frozen in every phase\n";
        var frozen = $"{Units.Count(report.FrozenTensors)} frozen tensors";
        return report.Moved.Count == 0 ? $"{frozen}, none moved by a bit\n" : $"{Units.Count(report.Moved.Count)} of {frozen} moved\n";
    }
}
