using System.Globalization;
using System.Text.Json;
using Frostline.Checkpoints;

namespace Frostline.Cli.Shell;

/// <summary>Tensors as the commands print them.</summary>
internal static class TensorTexts
{
    // Written so that little has to be compiled when the program starts: inspect is to answer at once.
    private static readonly string?[] s_typeNames = new string?[(int)TensorType.Bool + 1];

    /// <summary>A type in small letters, for example <c>bfloat16</c>.</summary>
    public static string Name(TensorType type) => s_typeNames[(int)type] ??= type.ToString().ToLowerInvariant();

    /// <summary>A shape, for example <c>64 x 3 x 7 x 7</c>, or <c>scalar</c>.</summary>
    public static string Shape(TensorInfo tensor)
    {
        if (tensor.Shape.Count == 0) return "scalar";
        var text = tensor.Shape[0].ToString(CultureInfo.InvariantCulture);
        for (var i = 1; i < tensor.Shape.Count; i++) text += " x " + tensor.Shape[i].ToString(CultureInfo.InvariantCulture);
        return text;
    }

    /// <summary>A file's own text with a question mark for each control character.</summary>
    public static string Plain(string text)
    {
        for (var i = 0; i < text.Length; i++)
            if (char.IsControl(text[i])) return string.Create(text.Length, text, static (target, source) =>
            {
                for (var j = 0; j < target.Length; j++) target[j] = char.IsControl(source[j]) ? '?' : source[j];
            });
        return text;
    }

    /// <summary>How many tensors a branch holds.</summary>
    public static string Count(int tensors) => tensors == 1 ? "1 tensor" : $"{Units.Count(tensors)} tensors";

    /// <summary>Writes <c>type</c> and <c>shape</c> into the object that is open.</summary>
    public static void WriteTo(Utf8JsonWriter writer, TensorInfo tensor)
    {
        writer.WriteString("type", Name(tensor.Type));
        writer.WriteStartArray("shape");
        for (var i = 0; i < tensor.Shape.Count; i++) writer.WriteNumberValue(tensor.Shape[i]);
        writer.WriteEndArray();
    }

    /// <summary>Writes a number, or null; what JSON has no number for as <c>"NaN"</c>, <c>"Infinity"</c> or <c>"-Infinity"</c>.</summary>
    public static void WriteNumber(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is not { } number) writer.WriteNull(name);
        else if (double.IsFinite(number)) writer.WriteNumber(name, number);
        else writer.WriteString(name, number.ToString(CultureInfo.InvariantCulture));
    }
}
