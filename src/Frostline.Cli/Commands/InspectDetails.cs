using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary>What <c>frostline inspect</c> shows of values; apart, so that it is not compiled where nobody asks for it.</summary>
internal static class InspectDetails
{
    // More values than people or scripts look through; the file itself has them all.
    private const int MostValues = 1000;

    public static void WriteStatistics(TextWriter output, Checkpoint checkpoint, IReadOnlyList<TensorInfo> tensors)
    {
        var table = new TextTable("name", "type", "shape", ">mean", ">std", ">min", ">max", ">nan", ">inf");
        NameTree.Of(tensors).Visit(
            (name, tensor) =>
            {
                var s = ValueStatistics.Of(checkpoint, tensor);
                table.Add(
                    name, TensorTexts.Name(tensor.Type), TensorTexts.Shape(tensor), Text(s.Mean), Text(s.StandardDeviation),
                    Text(s.Minimum), Text(s.Maximum), Units.Count(s.NotNumbers), Units.Count(s.Infinities));
            },
            (name, count, _) => table.Add(name, "", TensorTexts.Count(count), "", "", "", "", "", ""));
        table.Write(output);
        output.Write('\n');
    }

    public static void WriteStatistics(Utf8JsonWriter writer, Checkpoint checkpoint, TensorInfo tensor)
    {
        var statistics = ValueStatistics.Of(checkpoint, tensor);
        writer.WriteStartObject("statistics");
        TensorTexts.WriteNumber(writer, "mean", statistics.Mean);
        TensorTexts.WriteNumber(writer, "standardDeviation", statistics.StandardDeviation);
        TensorTexts.WriteNumber(writer, "minimum", statistics.Minimum);
        TensorTexts.WriteNumber(writer, "maximum", statistics.Maximum);
        writer.WriteNumber("notNumbers", statistics.NotNumbers);
        writer.WriteNumber("infinities", statistics.Infinities);
        writer.WriteEndObject();
    }

    public static void WriteTensor(TextWriter output, Checkpoint checkpoint, TensorInfo tensor, bool statistics)
    {
        output.Write($"{tensor.Name}: {TensorTexts.Name(tensor.Type)}, {TensorTexts.Shape(tensor)}\n");
        output.Write($"{TensorPrinter.Print(checkpoint, tensor)}\n");
        if (!statistics) return;
        output.Write('\n');
        WriteStatistics(output, checkpoint, [tensor]);
    }

    public static void WriteTensor(Utf8JsonWriter writer, Checkpoint checkpoint, TensorInfo tensor, bool statistics)
    {
        writer.WriteStartObject();
        writer.WriteString("file", checkpoint.Source);
        writer.WriteString("name", tensor.Name);
        TensorTexts.WriteTo(writer, tensor);
        writer.WriteNumber("bytes", tensor.ByteCount);
        writer.WriteStartArray("values");
        foreach (var value in TensorPrinter.First(checkpoint, tensor, MostValues))
        {
            if (value is "NaN" or "Infinity" or "-Infinity") writer.WriteStringValue(value);
            else writer.WriteRawValue(value);
        }

        writer.WriteEndArray();
        writer.WriteBoolean("truncated", tensor.ElementCount > MostValues);
        if (statistics) WriteStatistics(writer, checkpoint, tensor);
        writer.WriteEndObject();
    }

    private static string Text(double? value) => value is { } number ? Numbers.Of(number) : "-";
}
