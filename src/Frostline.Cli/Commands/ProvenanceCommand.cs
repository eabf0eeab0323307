using System.CommandLine;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Initialization;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline provenance</c>: where the values of a model file came from, through all generations of fine-tuning.</summary>
internal static class ProvenanceCommand
{
    public static Command Create(Terminal terminal)
    {
        var file = CommonOptions.Checkpoint("FILE", "A model file that Frostline wrote, for example model.safetensors of a run.");
        var tensor = new Option<string?>("--tensor") { Description = "Follow this tensor alone back to where its value began.", HelpName = "NAME" };
        var json = CommonOptions.Json();
        var command = new Command("provenance", "Prints where a model's values came from, through all generations.") { file, tensor, json };
        command.SetAction(result =>
        {
            using var checkpoint = Checkpoint.Open(result.GetRequiredValue(file));
            var name = Path.GetFileName(checkpoint.Source);
            var report = ModelFile.ProvenanceOf(checkpoint) ?? throw new FrostlineException(
                $"{checkpoint.Source}: says nothing of where its values came from; Frostline writes that into model.safetensors of a run");
            if (result.GetValue(tensor) is { } wanted) WriteTrace(terminal.Output, ProvenanceStep.Trace(name, report, wanted), result.GetValue(json));
            else if (result.GetValue(json)) terminal.Output.Write(report.ToJson() + "\n");
            else WriteGeneration(terminal.Output, name, report, depth: 0);
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>A line for a file and one for each checkpoint that it was loaded from, deeper ones further in.</summary>
    private static void WriteGeneration(TextWriter output, string file, InitializationReport report, int depth)
    {
        var indent = new string(' ', 2 * depth);
        output.Write($"{indent}{file}: {Units.Count(report.Tensors.Count)} tensors: {Origins(report)}\n");
        foreach (var load in report.Loads)
        {
            output.Write($"{indent}  from {load}, content {load.Hash}\n");
            if (load.Parent is { } parent) WriteGeneration(output, load.File, parent, depth + 2);
        }
    }

    private static string Origins(InitializationReport report)
    {
        var parts = report.Tensors.GroupBy(tensor => Kind(tensor.Origin), StringComparer.Ordinal)
            .OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => $"{Units.Count(group.Count())} {group.Key}").ToList();
        if (report.Drawn.Count > 0) parts.Add(FormattableString.Invariant($"seed {report.Seed}"));
        var trained = report.Tensors.Count(tensor => tensor.Trained);
        if (trained > 0) parts.Add($"{Units.Count(trained)} trained since");
        return string.Join(", ", parts);
    }

    private static string Kind(Origin origin) => origin switch
    {
        Origin.Loaded => "loaded",
        Origin.Drawn => "drawn",
        Origin.Set => "set",
        Origin.Copied => "copied",
        Origin.Calibrated => "calibrated",
        Origin.Scaled => "scaled",
        Origin.Averaged => "averaged",
        _ => "kept as constructed",
    };

    private static void WriteTrace(TextWriter output, IReadOnlyList<ProvenanceStep> steps, bool json)
    {
        if (!json)
        {
            foreach (var step in steps)
                output.Write($"{step.File}, {step.Name}: {Describe(step.Tensor)}\n");
            return;
        }

        JsonOutput.Write(output, writer =>
        {
            writer.WriteStartArray();
            foreach (var step in steps)
            {
                writer.WriteStartObject();
                writer.WriteString("file", step.File);
                writer.WriteString("name", step.Name);
                if (step.Tensor is null) writer.WriteNull("origin");
                else writer.WriteString("origin", step.Tensor.Origin.Describe());
                writer.WriteString("rule", step.Tensor?.Rule);
                writer.WriteBoolean("trained", step.Tensor?.Trained ?? false);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        });
    }

    private static string Describe(TensorProvenance? tensor)
    {
        if (tensor is null) return "the file does not say where its values came from";
        return tensor.Origin.Describe() + (tensor.Trained ? "; trained since" : "");
    }
}
