using System.CommandLine;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline diff</c>: what differs between two checkpoints, whatever their containers.</summary>
internal static class DiffCommand
{
    public static Command Create(Terminal terminal)
    {
        var first = CommonOptions.Checkpoint("A", "The first checkpoint.");
        var second = CommonOptions.Checkpoint("B", "The second checkpoint.");
        var keyA = CommonOptions.Key("--key-a", "A");
        var keyB = CommonOptions.Key("--key-b", "B");
        var map = MapOption.Create("the tensors of A, to compare them with B's");
        var json = CommonOptions.Json();
        var command = new Command(
            "diff", $"Compares two checkpoints. Exit code {ExitCodes.Success} where all tensors are equal bit for bit, {ExitCodes.Different} where not.")
        {
            first, second, keyA, keyB, map, json,
        };
        command.SetAction(result =>
        {
            var names = MapOption.Find(result.GetValue(map));
            using var a = Checkpoint.Open(result.GetRequiredValue(first), result.GetValue(keyA));
            using var b = Checkpoint.Open(result.GetRequiredValue(second), result.GetValue(keyB));
            var difference = CheckpointDifference.Of(a, b, names);
            if (result.GetValue(json)) JsonOutput.Write(terminal.Output, writer => WriteJson(writer, a, b, difference));
            else WriteTable(terminal.Output, difference);
            return difference.IsEqual ? ExitCodes.Success : ExitCodes.Different;
        });
        return command;
    }

    private static void WriteTable(TextWriter output, CheckpointDifference difference)
    {
        var table = new TextTable("name", "A", "B", ">largest difference");
        var (equal, values, kinds, missing) = (0, 0, 0, 0);
        foreach (var tensor in difference.Tensors)
        {
            if (tensor.IsEqual)
            {
                equal++;
                continue;
            }

            if (tensor.First is null || tensor.Second is null) missing++;
            else if (tensor.MaximumDifference is null || tensor.First.Type != tensor.Second.Type) kinds++;
            else values++;
            var largest = tensor.MaximumDifference is { } number ? Numbers.Of(number) : "-";
            table.Add(tensor.Name, Text(tensor.First), Text(tensor.Second), largest);
        }

        table.Write(output);
        if (!difference.IsEqual) output.Write('\n');
        var renamed = difference.Tensors.Where(t => t.First is not null && t.First.Name != t.Name);
        MapOption.WriteText(output, [.. renamed.Select(t => (t.First!.Name, t.Name))], difference.Remarks);
        output.Write($"{Units.Count(equal)} tensors equal bit for bit");
        if (values > 0) output.Write($", {Units.Count(values)} of other values");
        if (kinds > 0) output.Write($", {Units.Count(kinds)} of another type or shape");
        if (missing > 0) output.Write($", {Units.Count(missing)} in one file only");
        output.Write('\n');
    }

    private static string Text(TensorInfo? tensor) =>
        tensor is null ? "absent" : $"{TensorTexts.Name(tensor.Type)} {TensorTexts.Shape(tensor)}";

    private static void WriteJson(Utf8JsonWriter writer, Checkpoint a, Checkpoint b, CheckpointDifference difference)
    {
        writer.WriteStartObject();
        writer.WriteString("a", a.Source);
        writer.WriteString("b", b.Source);
        writer.WriteBoolean("equal", difference.IsEqual);
        writer.WriteStartArray("tensors");
        foreach (var tensor in difference.Tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Name);
            writer.WriteBoolean("equal", tensor.IsEqual);
            WriteSide(writer, "a", tensor.First);
            WriteSide(writer, "b", tensor.Second);
            TensorTexts.WriteNumber(writer, "largestDifference", tensor.MaximumDifference);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        MapOption.WriteRemarks(writer, difference.Remarks);
        writer.WriteEndObject();
    }

    private static void WriteSide(Utf8JsonWriter writer, string name, TensorInfo? tensor)
    {
        if (tensor is null)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartObject(name);
        writer.WriteString("name", tensor.Name);
        TensorTexts.WriteTo(writer, tensor);
        writer.WriteEndObject();
    }
}
