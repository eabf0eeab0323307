using System.CommandLine;
using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.OnnxRuntime;
using Frostline.Staging;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline export</c>: a network as an ONNX model, checked by running it.</summary>
internal static class ExportCommand
{
    public static Command Create(Terminal terminal)
    {
        var recipe = CommonOptions.Recipe();
        var checkpoint = new Option<string>("--checkpoint")
        {
            Description = "The model: model.safetensors of a run folder, or any checkpoint that fits the recipe's network.",
            HelpName = "FILE",
            Required = true,
        };
        var onnx = new Option<string>("--onnx") { Description = "The ONNX file to write.", HelpName = "OUT", Required = true };
        var opset = new Option<int>("--opset")
        {
            Description = $"The ONNX operator set, {OnnxExportOptions.LeastOpset} to {OnnxExportOptions.GreatestOpset}.",
            DefaultValueFactory = _ => OnnxExportOptions.LeastOpset,
        };
        var batch = new Option<int>("--batch") { Description = "How many samples a batch has.", DefaultValueFactory = _ => 1 };
        var dynamicBatch = new Option<bool>("--dynamic-batch") { Description = "A batch may have any number of samples." };
        var set = CommonOptions.Set();
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command("export", "Writes a network as an ONNX model, and checks it with ONNX Runtime on samples of the recipe.")
        {
            recipe, checkpoint, onnx, opset, batch, dynamicBatch, set, threads, json,
        };
        command.SetAction(result =>
        {
            var registry = Registries.Create();
            var loaded = Recipe.Load(result.GetRequiredValue(recipe), registry, result.GetRequiredValue(set));
            var job = new ExportJob(loaded, registry, result.GetRequiredValue(checkpoint), new ExportOptions
            {
                Output = result.GetRequiredValue(onnx),
                Opset = result.GetValue(opset),
                Batch = result.GetValue(batch),
                DynamicBatch = result.GetValue(dynamicBatch),
                Threads = result.GetValue(threads),
            });
            var export = job.Run(RunOnnx);
            if (result.GetValue(json)) terminal.Output.Write(JsonSerializer.Serialize(export, RunJson.Page) + "\n");
            else Write(terminal.Output, export);
            return ExitCodes.Success;
        });
        return command;
    }

    private static IReadOnlyDictionary<string, torch.Tensor> RunOnnx(byte[] model, IReadOnlyDictionary<string, torch.Tensor> inputs)
    {
        using var session = OnnxSession.Open(model, torch.get_num_threads());
        return OnnxSession.Run(session, inputs);
    }

    private static void Write(TextWriter output, ExportResult export)
    {
        output.Write($"{export.Output}: {Units.Bytes(export.Bytes)}, operator set {export.Opset}\n\n");
        var table = new TextTable("tensor", "kind", "shape");
        foreach (var (name, shape) in export.Inputs) table.Add(name, "input", Shape(shape));
        foreach (var (name, shape) in export.Outputs) table.Add(name, "output", Shape(shape));
        table.Write(output);
        var samples = export.Samples == 1 ? "1 sample" : $"{export.Samples} samples";
        output.Write(FormattableString.Invariant($"\nchecked in ONNX Runtime on {samples}: relative error {export.RelativeError:0.#e+0}\n"));
        foreach (var remark in export.Remarks) output.Write($"remark: {remark}\n");
    }

    private static string Shape(IReadOnlyList<long> shape) =>
        $"[{string.Join(", ", shape.Select(size => size < 0 ? "batch" : size.ToString(System.Globalization.CultureInfo.InvariantCulture)))}]";
}
