using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline inspect</c>: what a checkpoint contains, without reading its values and without libtorch.</summary>
internal static class InspectCommand
{
    private const int LongestMetadata = 100;

    // Written so that little has to be compiled when the program starts: this command is to answer at once.
    private static readonly string?[] s_typeNames = new string?[(int)TensorType.Bool + 1];

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
        var (values, bytes) = Totals(checkpoint);
        output.Write($"{checkpoint.Source}: {checkpoint.Format.ToString()}, {Units.Count(checkpoint.Tensors.Count)} tensors{where}, ");
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
        var (values, total) = Totals(checkpoint);
        writer.WriteNumber("values", values);
        writer.WriteNumber("bytes", total);
        writer.WriteStartArray("tensors");
        foreach (var tensor in checkpoint.Tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Name);
            writer.WriteString("type", Name(tensor.Type));
            writer.WriteStartArray("shape");
            for (var i = 0; i < tensor.Shape.Count; i++) writer.WriteNumberValue(tensor.Shape[i]);
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

    private static (long Values, long Bytes) Totals(Checkpoint checkpoint)
    {
        long values = 0, bytes = 0;
        foreach (var tensor in checkpoint.Tensors)
        {
            values += tensor.ElementCount;
            bytes += tensor.ByteCount;
        }

        return (values, bytes);
    }

    private static string Name(TensorType type) => s_typeNames[(int)type] ??= type.ToString().ToLowerInvariant();

    private static string Shape(TensorInfo tensor)
    {
        if (tensor.Shape.Count == 0) return "scalar";
        var text = tensor.Shape[0].ToString(CultureInfo.InvariantCulture);
        for (var i = 1; i < tensor.Shape.Count; i++) text += " x " + tensor.Shape[i].ToString(CultureInfo.InvariantCulture);
        return text;
    }
}
