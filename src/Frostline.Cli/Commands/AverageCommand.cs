using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Initialization;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline average</c>: the average of several checkpoints of one network.</summary>
internal static class AverageCommand
{
    public static Command Create(Terminal terminal)
    {
        var output = CommonOptions.Checkpoint("OUT", "The file to write: .safetensors, or .pth or .pt for torch.load.");
        var inputs = new Argument<string[]>("IN") { Description = "The checkpoints, two or more, with equal names, types and shapes.", Arity = new ArgumentArity(2, 10_000) };
        var weights = new Option<double[]>("--weights")
        {
            Description = "A positive weight for each checkpoint, in their order. Default: equal ones.",
            HelpName = "NUMBER",
            AllowMultipleArgumentsPerToken = true,
        };
        weights.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                var isPositive = double.TryParse(token.Value, CultureInfo.InvariantCulture, out var weight) && weight > 0 && double.IsFinite(weight);
                if (!isPositive) result.AddError($"--weights takes positive numbers, not \"{token.Value}\"; write other arguments before --weights");
            }
        });
        var json = CommonOptions.Json();
        var command = new Command("average", "Writes the average of several checkpoints of one network.") { output, inputs, weights, json };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(output);
            var files = result.GetRequiredValue(inputs);
            var shares = result.GetValue(weights) is { Length: > 0 } given ? given : null;
            if (shares is not null && shares.Length != files.Length)
                throw new FrostlineException($"--weights has {shares.Length} numbers for {files.Length} checkpoints; give one for each");
            var report = Average(path, files, shares);
            if (result.GetValue(json)) JsonOutput.Write(terminal.Output, writer => WriteJson(writer, path, report));
            else WriteText(terminal.Output, path, report);
            return ExitCodes.Success;
        });
        return command;
    }

    private static AverageReport Average(string path, string[] files, double[]? shares)
    {
        var checkpoints = new List<Checkpoint>();
        try
        {
            foreach (var file in files) checkpoints.Add(Checkpoint.Open(file));
            return CheckpointAverage.Write(path, checkpoints, shares);
        }
        finally
        {
            foreach (var checkpoint in checkpoints) checkpoint.Dispose();
        }
    }

    private static void WriteText(TextWriter output, string path, AverageReport report)
    {
        output.Write($"{path}: {Units.Count(report.Averaged.Count)} tensors averaged from {Units.Count(report.Files.Count)} files\n");
        foreach (var file in report.Files)
            output.Write(string.Create(CultureInfo.InvariantCulture, $"  {file.Weight:P1} {file.File}, content {file.Hash}\n"));
        if (report.Copied.Count > 0)
            output.Write($"taken from {report.Files[^1].File}: {Units.Count(report.Copied.Count)} tensors that are no real numbers ({Names(report.Copied)})\n");
        if (report.LeftOut.Count > 0) output.Write($"left out: {Names(report.LeftOut)}\n");
        if (report.Averaged.Any(name => name.EndsWith("running_var", StringComparison.Ordinal)))
            output.Write("running statistics are averaged too and no longer fit exactly: calibrate-norm estimates them anew\n");
    }

    private static string Names(IReadOnlyList<string> names) => string.Join(", ", names.Take(5)) + (names.Count > 5 ? ", …" : "");

    private static void WriteJson(Utf8JsonWriter writer, string path, AverageReport report)
    {
        writer.WriteStartObject();
        writer.WriteString("output", path);
        writer.WriteStartArray("files");
        foreach (var file in report.Files)
        {
            writer.WriteStartObject();
            writer.WriteString("file", file.File);
            writer.WriteString("hash", file.Hash);
            writer.WriteNumber("weight", file.Weight);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        WriteNames(writer, "averaged", report.Averaged);
        WriteNames(writer, "copied", report.Copied);
        WriteNames(writer, "leftOut", report.LeftOut);
        writer.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter writer, string property, IReadOnlyList<string> names)
    {
        writer.WriteStartArray(property);
        foreach (var name in names) writer.WriteStringValue(name);
        writer.WriteEndArray();
    }
}
