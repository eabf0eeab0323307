using System.CommandLine;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline convert</c>: the same tensors in another format, as another floating-point type, or under other names.</summary>
internal static class ConvertCommand
{
    public static Command Create(Terminal terminal)
    {
        var input = CommonOptions.Checkpoint("IN", "The checkpoint to read, of any format that inspect reads.");
        var output = CommonOptions.Checkpoint("OUT", "The file to write: .safetensors, or .pth or .pt for torch.load.");
        var dtype = new Option<string?>("--dtype")
        {
            Description = "Cast floating-point tensors: f64, f32, f16 or bf16, rounded to the nearest. Default: types stay.",
            HelpName = "TYPE",
        };
        dtype.AcceptOnlyFromAmong("f64", "f32", "f16", "bf16");
        var key = CommonOptions.Key();
        var map = MapOption.Create("the tensors");
        var json = CommonOptions.Json();
        var command = new Command("convert", "Writes a checkpoint's tensors into another file.") { input, output, dtype, key, map, json };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(output);
            var names = MapOption.Find(result.GetValue(map));
            using var checkpoint = Checkpoint.Open(result.GetRequiredValue(input), result.GetValue(key));
            var report = CheckpointConverter.Convert(checkpoint, path, TypeOf(result.GetValue(dtype)), names);
            if (result.GetValue(json)) JsonOutput.Write(terminal.Output, writer => WriteJson(writer, checkpoint, path, report));
            else WriteText(terminal.Output, path, report);
            return ExitCodes.Success;
        });
        return command;
    }

    private static TensorType? TypeOf(string? name) => name switch
    {
        "f64" => TensorType.Float64,
        "f32" => TensorType.Float32,
        "f16" => TensorType.Float16,
        "bf16" => TensorType.BFloat16,
        _ => null,
    };

    private static void WriteText(TextWriter output, string path, ConversionReport report)
    {
        var cast = report.Tensors.Count(tensor => tensor.Source.Type != tensor.Written.Type);
        output.Write($"{path}: {report.Format}, {Units.Count(report.Tensors.Count)} tensors, {Units.Bytes(report.Tensors.Sum(t => t.Written.ByteCount))}\n");
        if (cast > 0)
        {
            output.Write(
                $"cast: {Units.Count(cast)} tensors, {Units.Count(report.Tensors.Sum(t => t.Rounded))} values rounded, "
                + $"{Units.Count(report.Tensors.Sum(t => t.Overflowed))} became infinite\n");
        }

        foreach (var tensor in report.Tensors.Where(t => t.Overflowed > 0))
            output.Write($"  {tensor.Written.Name}: {Units.Count(tensor.Overflowed)} values became infinite\n");
        MapOption.WriteText(output, [.. report.Renamed.Select(t => (t.Source.Name, t.Written.Name))], report.Remarks);
        if (report.LeftOut.Count > 0) output.Write($"left out: {Units.Count(report.LeftOut.Count)} values beside the tensors ({Names(report.LeftOut)})\n");
    }

    private static string Names(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(5)) + (names.Count > 5 ? ", …" : "");

    private static void WriteJson(Utf8JsonWriter writer, Checkpoint checkpoint, string path, ConversionReport report)
    {
        writer.WriteStartObject();
        writer.WriteString("input", checkpoint.Source);
        writer.WriteString("output", path);
        writer.WriteString("format", report.Format.ToString());
        writer.WriteStartArray("tensors");
        foreach (var tensor in report.Tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Written.Name);
            writer.WriteString("key", tensor.Source.Name);
            writer.WriteString("from", TensorTexts.Name(tensor.Source.Type));
            TensorTexts.WriteTo(writer, tensor.Written);
            writer.WriteNumber("rounded", tensor.Rounded);
            writer.WriteNumber("overflowed", tensor.Overflowed);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("leftOut");
        foreach (var name in report.LeftOut) writer.WriteStringValue(name);
        writer.WriteEndArray();
        MapOption.WriteRemarks(writer, report.Remarks);
        writer.WriteEndObject();
    }
}
