using System.CommandLine;
using Frostline.Cli.Shell;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline plan</c>: what a recipe would load, draw, freeze and train, and what a step would cost.</summary>
internal static class PlanCommand
{
    public static Command Create(Terminal terminal)
    {
        var recipe = CommonOptions.Recipe();
        var set = CommonOptions.Set();
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command("plan", "Says what a recipe would load, draw, freeze and train; trains nothing.")
        {
            recipe, set, threads, json,
        };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(recipe);
            var loaded = Recipe.Load(path, Registries.Create(), result.GetRequiredValue(set));
            var report = new PlanJob(loaded).Run(result.GetValue(threads));
            if (result.GetValue(json)) terminal.Output.Write(report.ToJson() + "\n");
            else Write(terminal.Output, report);

            // The table shows what is wrong; scripts see it by the exit code.
            return report.Refusal is { } refusal
                ? throw new FrostlineException($"{path}: train would refuse this: {refusal}")
                : ExitCodes.Success;
        });
        return command;
    }

    private static void Write(TextWriter output, PlanReport report)
    {
        var data = report.Data;
        var classes = data.Classes.Count == 0 ? "" : $", {data.Classes.Count} classes";
        var model = report.Model;
        output.Write($"network {model.Name}: {Units.Count(model.Parameters)} parameters, ");
        output.Write($"{Units.Count(model.Trainable)} trained, {Units.Count(model.Frozen)} frozen\n");
        output.Write($"data: {Units.Count(data.Train)} samples to train on, ");
        output.Write($"{Units.Count(data.Validate)} to validate on{classes}\n\n");
        WriteOrigins(output, report);
        output.Write('\n');
        output.Write(report.Freeze.Describe());
        output.Write('\n');
        WritePhases(output, report);
        WriteCost(output, report);
    }

    private static void WriteOrigins(TextWriter output, PlanReport report)
    {
        // One row for all tensors of one rule and kind of origin; their number would bury what matters.
        var table = new TextTable("initialised by", "origin", ">tensors", ">values", "first");
        foreach (var group in report.Tensors.GroupBy(tensor => (tensor.Rule, Origin: OriginOf(tensor.Origin))))
        {
            var values = group.Sum(tensor => tensor.Shape.Aggregate(1L, (product, size) => product * size));
            table.Add(group.Key.Rule, group.Key.Origin, Units.Count(group.Count()), Units.Count(values), group.First().Name);
        }

        table.Write(output);
        foreach (var load in report.Origins.Loads) output.Write(load.Describe());
        foreach (var warning in report.Origins.Warnings) output.Write($"warning: {warning}\n");
    }

    /// <summary>The origin without the key of the tensor, which differs from tensor to tensor.</summary>
    private static string OriginOf(string origin) =>
        origin.StartsWith("loaded from ", StringComparison.Ordinal) ? origin.Split(", ")[0] : origin;

    private static void WritePhases(TextWriter output, PlanReport report)
    {
        if (report.Phases.Count == 1) return;
        var table = new TextTable("phase", ">trained", ">frozen", "frost line", ">multiply-adds", ">memory");
        foreach (var phase in report.Phases)
        {
            table.Add(
                phase.Begins, Units.Count(phase.Trainable), Units.Count(phase.Frozen), phase.FrostLine ?? "none",
                phase.Step is { } step ? Units.Quantity(step.MultiplyAdds) : "?", phase.Step is { } held ? Units.Bytes(held.TotalBytes) : "?");
        }

        table.Write(output);
        output.Write("all else here is about the first phase\n\n");
    }

    private static void WriteCost(TextWriter output, PlanReport report)
    {
        if (report.Stages.Count > 0)
        {
            var table = new TextTable("stage", "changes", ">trained", ">frozen", ">multiply-adds", ">output");
            foreach (var stage in report.Stages)
            {
                table.Add(
                    stage.Name, stage.CanChange ? "yes" : "no", Units.Count(stage.Trained), Units.Count(stage.Frozen),
                    stage.MultiplyAdds is { } work ? Units.Quantity(work) : "?",
                    stage.OutputBytes is { } bytes ? Units.Bytes(bytes) : "?");
            }

            table.Write(output);
            output.Write('\n');
        }

        if (report.Step is not { } step)
        {
            output.Write($"cost of a step: unknown, {report.StepUnknown}\n");
            return;
        }

        var inputs = string.Join(", ", step.Inputs.Select(input => $"{input.Key} {string.Join(" x ", input.Value)}"));
        output.Write($"a step of {step.BatchSize} samples ({inputs}), estimated:\n");
        output.Write($"  {Units.Quantity(step.MultiplyAdds)} multiply-adds forward and backward\n");
        output.Write($"  {Units.Bytes(step.TotalBytes)} of memory: {Units.Bytes(step.StateBytes)} parameters and buffers, ");
        output.Write($"{Units.Bytes(step.GradientBytes)} gradients, {Units.Bytes(step.OptimizerBytes)} optimizer, ");
        output.Write($"{Units.Bytes(step.ActivationBytes)} activations, {Units.Bytes(step.TransientBytes)} passing\n");
    }
}
