using System.CommandLine;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline inspect</c>: what a checkpoint contains, without reading its values and without libtorch.</summary>
internal static class InspectCommand
{
    private const int LongestMetadata = 100;

    public static Command Create(Terminal terminal)
    {
        var file = new Argument<string>("FILE")
        {
            Description = "The checkpoint: safetensors, or a .pth file of PyTorch, old or new.",
        };
        var key = new Option<string?>("--key")
        {
            Description = "Which dictionary inside the file, as a path with slashes. Default: the usual wrappers are found.",
            HelpName = "NAME",
        };
        var json = CommonOptions.Json();
        var command = new Command("inspect", "Lists the tensors of a checkpoint.") { file, key, json };
        command.SetAction(result =>
        {
            using var checkpoint = Checkpoint.Open(result.GetRequiredValue(file), result.GetValue(key));
            if (result.GetValue(json)) JsonOutput.Write(terminal.Output, writer => WriteJson(writer, checkpoint));
            else WriteTable(terminal.Output, checkpoint);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void WriteTable(TextWriter output, Checkpoint checkpoint)
    {
        var table = new TextTable("name", "type", "shape", ">bytes");
        foreach (var tensor in checkpoint.Tensors)
            table.Add(tensor.Name, Name(tensor.Type), Shape(tensor), Units.Count(tensor.ByteCount));
        table.Write(output);
        output.Write('\n');
        foreach (var (name, value) in checkpoint.Metadata)
            output.Write($"{name}: {Shorten(value)}\n");
        var where = checkpoint.Key.Length == 0 ? "" : $" under \"{checkpoint.Key}\"";
        var (values, bytes) = (checkpoint.Tensors.Sum(t => t.ElementCount), checkpoint.Tensors.Sum(t => t.ByteCount));
        output.Write($"{checkpoint.Source}: {checkpoint.Format}, {Units.Count(checkpoint.Tensors.Count)} tensors{where}, ");
        output.Write($"{Units.Count(values)} values, {Units.Bytes(bytes)}\n");
    }

    private static string Shorten(string value) =>
        value.Length <= LongestMetadata ? value : $"{value[..LongestMetadata]}… ({Units.Count(value.Length)} characters)";

    private static void WriteJson(Utf8JsonWriter writer, Checkpoint checkpoint)
    {
        writer.WriteStartObject();
        writer.WriteString("file", checkpoint.Source);
        writer.WriteString("format", checkpoint.Format.ToString());
        writer.WriteString("key", checkpoint.Key);
        writer.WriteNumber("values", checkpoint.Tensors.Sum(t => t.ElementCount));
        writer.WriteNumber("bytes", checkpoint.Tensors.Sum(t => t.ByteCount));
        writer.WriteStartArray("tensors");
        foreach (var tensor in checkpoint.Tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Name);
            writer.WriteString("type", Name(tensor.Type));
            writer.WriteStartArray("shape");
            foreach (var size in tensor.Shape) writer.WriteNumberValue(size);
            writer.WriteEndArray();
            writer.WriteNumber("bytes", tensor.ByteCount);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartObject("metadata");
        foreach (var (name, value) in checkpoint.Metadata) writer.WriteString(name, value);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static string Name(TensorType type) => type.ToString().ToLowerInvariant();

    private static string Shape(TensorInfo tensor) => tensor.Shape.Count == 0 ? "scalar" : string.Join(" x ", tensor.Shape);
}
