using System.Text;

namespace Frostline.Cli.Shell;

/// <summary>
/// A table of plain text. Spectre.Console's own would double the time that <c>inspect</c> takes from start to end, and it
/// wraps long names where the terminal is narrow; a name that is cut in two cannot be copied.
/// </summary>
internal sealed class TextTable
{
    private const string Gap = "  ";

    private readonly string[] _titles;
    private readonly bool[] _right;
    private readonly List<string[]> _rows = [];

    /// <summary>Creates an empty table.</summary>
    /// <param name="columns">
    /// The titles; one that begins with <c>&gt;</c> is of a column of numbers, which is aligned to the right.
    /// </param>
    public TextTable(params string[] columns)
    {
        _titles = Array.ConvertAll(columns, title => title.TrimStart('>'));
        _right = Array.ConvertAll(columns, title => title.StartsWith('>'));
    }

    /// <summary>Adds a row, one cell a column.</summary>
    public void Add(params string[] cells)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cells.Length, _titles.Length, nameof(cells));
        _rows.Add(cells);
    }

    /// <summary>Writes titles, a rule, and the rows; nothing where there are no rows. No line ends in a blank.</summary>
    public void Write(TextWriter writer)
    {
        if (_rows.Count == 0) return;
        var widths = Array.ConvertAll(_titles, title => title.Length);
        foreach (var row in _rows)
            for (var i = 0; i < widths.Length; i++) widths[i] = Math.Max(widths[i], row[i].Length);
        var text = new StringBuilder();
        Append(text, _titles, widths);
        text.Append('-', widths.Sum() + (Gap.Length * (widths.Length - 1))).Append('\n');
        foreach (var row in _rows) Append(text, row, widths);
        writer.Write(text.ToString());
    }

    private void Append(StringBuilder text, string[] cells, int[] widths)
    {
        for (var i = 0; i < cells.Length; i++)
        {
            if (i > 0) text.Append(Gap);
            text.Append(_right[i] ? cells[i].PadLeft(widths[i]) : cells[i].PadRight(widths[i]));
        }

        while (text[^1] == ' ') text.Length--;
        text.Append('\n');
    }
}
