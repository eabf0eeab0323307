using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary>The plain values that lie beside a checkpoint's tensors, as <c>inspect</c> shows them.</summary>
internal static class PlainValues
{
    private const int MostLines = 20;
    private const int LongestText = 100;

    /// <summary>A line for each value, and one that counts those that are left out.</summary>
    public static void Write(TextWriter output, IReadOnlyList<KeyValuePair<string, object?>> values)
    {
        for (var i = 0; i < values.Count && i < MostLines; i++) output.Write($"{TensorTexts.Plain(values[i].Key)}: {Text(values[i].Value)}\n");
        if (values.Count > MostLines) output.Write($"… and {Units.Count(values.Count - MostLines)} more values (--json shows them all)\n");
    }

    /// <summary>An object of all values by path.</summary>
    public static void Write(Utf8JsonWriter writer, IReadOnlyList<KeyValuePair<string, object?>> values)
    {
        writer.WriteStartObject();
        foreach (var (path, value) in values)
        {
            writer.WritePropertyName(path);
            switch (value)
            {
                case null: writer.WriteNullValue(); break;
                case bool flag: writer.WriteBooleanValue(flag); break;
                case long number: writer.WriteNumberValue(number); break;
                case double number when double.IsFinite(number): writer.WriteNumberValue(number); break;
                case BigInteger number: writer.WriteRawValue(number.ToString(CultureInfo.InvariantCulture)); break;
                case byte[] bytes: writer.WriteBase64StringValue(bytes); break;
                case Array:
                    writer.WriteStartArray();
                    writer.WriteEndArray();
                    break;
                default: writer.WriteStringValue(Text(value)); break;
            }
        }

        writer.WriteEndObject();
    }

    private static string Text(object? value) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        byte[] bytes => $"<{Units.Count(bytes.Length)} bytes>",
        Array => "empty",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => Shorten(value.ToString() ?? ""),
    };

    /// <summary>A text on one line, cut where it is long.</summary>
    public static string Shorten(string value)
    {
        var plain = TensorTexts.Plain(value);
        return plain.Length <= LongestText ? plain : $"{plain[..LongestText]}… ({Units.Count(value.Length)} characters)";
    }
}
