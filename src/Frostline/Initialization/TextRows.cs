using System.Text;

namespace Frostline.Initialization;

/// <summary>Rows of text in aligned columns.</summary>
internal static class TextRows
{
    /// <summary>Appends rows with equally many cells, two blanks between columns and none at a line's end.</summary>
    public static void Append(StringBuilder text, IReadOnlyList<string[]> rows, string indent = "")
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
            text.Append((indent + string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column])))).TrimEnd()).Append('\n');
    }
}
