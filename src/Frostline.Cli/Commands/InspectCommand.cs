using System.CommandLine;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline inspect</c>: what a checkpoint contains, without libtorch; values are read only where they are asked for.</summary>
internal static class InspectCommand
{
    // A file of optimizer states has a dictionary for each parameter.
    private const int MostKeys = 10;

    public static Command Create(Terminal terminal)
    {
        var file = CommonOptions.Checkpoint("FILE", "The checkpoint: safetensors or the index of a sharded set, a PyTorch file of any age, TorchScript, TorchSharp's .dat, ONNX, or NumPy's .npz.");
        var key = CommonOptions.Key();
        var stats = new Option<bool>("--stats") { Description = "Read the values too: mean, standard deviation, least, greatest, NaN and infinite." };
        var tensor = new Option<string?>("--tensor") { Description = "Print the values of this tensor instead of the list.", HelpName = "NAME" };
        var json = CommonOptions.Json();
        var command = new Command("inspect", "Shows the tree of a checkpoint's tensors.") { file, key, stats, tensor, json };
        command.SetAction(result =>
        {
            using var checkpoint = Checkpoint.Open(result.GetRequiredValue(file), result.GetValue(key));
            var (asJson, values) = (result.GetValue(json), result.GetValue(stats));
            if (result.GetValue(tensor) is { } name)
            {
                var found = checkpoint.Find(name);
                if (asJson) JsonOutput.Write(terminal.Output, writer => InspectDetails.WriteTensor(writer, checkpoint, found, values));
                else InspectDetails.WriteTensor(terminal.Output, checkpoint, found, values);
                return ExitCodes.Success;
            }

            if (asJson) JsonOutput.Write(terminal.Output, writer => WriteJson(writer, checkpoint, values));
            else WriteTable(terminal.Output, checkpoint, values);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void WriteTable(TextWriter output, Checkpoint checkpoint, bool statistics)
    {
        if (statistics) InspectDetails.WriteStatistics(output, checkpoint, checkpoint.Tensors);
        else WriteTensors(output, checkpoint);
        foreach (var (name, value) in checkpoint.Metadata)
            output.Write($"{name}: {PlainValues.Shorten(value)}\n");
        PlainValues.Write(output, checkpoint.Values);
        if (checkpoint.Keys is { Count: > 1 } keys) output.Write($"--key chooses one of: {string.Join(", ", keys.Take(MostKeys))}{(keys.Count > MostKeys ? ", …" : "")}\n");
        var where = checkpoint.Key.Length == 0 ? "" : $" under \"{checkpoint.Key}\"";
        var (values, bytes) = Totals(checkpoint);
        output.Write($"{checkpoint.Source}: {checkpoint.Format.ToString()}, {Units.Count(checkpoint.Tensors.Count)} tensors{where}, ");
        output.Write($"{Units.Count(values)} values, {Units.Bytes(bytes)}\n");
    }

    private static void WriteTensors(TextWriter output, Checkpoint checkpoint)
    {
        var table = new TextTable("name", "type", "shape", ">bytes");
        NameTree.Of(checkpoint.Tensors).Visit(
            (name, tensor) => table.Add(name, TensorTexts.Name(tensor.Type), TensorTexts.Shape(tensor), Units.Count(tensor.ByteCount)),
            (name, count, bytes) => table.Add(name, "", TensorTexts.Count(count), Units.Count(bytes)));
        table.Write(output);
        output.Write('\n');
    }

    private static void WriteJson(Utf8JsonWriter writer, Checkpoint checkpoint, bool statistics)
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
            TensorTexts.WriteTo(writer, tensor);
            writer.WriteNumber("bytes", tensor.ByteCount);
            if (statistics) InspectDetails.WriteStatistics(writer, checkpoint, tensor);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartObject("metadata");
        foreach (var (name, value) in checkpoint.Metadata) writer.WriteString(name, value);
        writer.WriteEndObject();
        writer.WritePropertyName("plainValues");
        PlainValues.Write(writer, checkpoint.Values);
        writer.WriteStartArray("keys");
        foreach (var name in checkpoint.Keys) writer.WriteStringValue(name);
        writer.WriteEndArray();
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
}
