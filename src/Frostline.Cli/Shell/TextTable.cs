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
        // Loops, here and below: generic helpers of numbers would have to be compiled when the program starts.
        _titles = new string[columns.Length];
        _right = new bool[columns.Length];
        for (var i = 0; i < columns.Length; i++)
        {
            _right[i] = columns[i].StartsWith('>');
            _titles[i] = columns[i].TrimStart('>');
        }
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
        var widths = new int[_titles.Length];
        var total = Gap.Length * (widths.Length - 1);
        for (var i = 0; i < widths.Length; i++)
        {
            widths[i] = _titles[i].Length;
            foreach (var row in _rows) widths[i] = Math.Max(widths[i], row[i].Length);
            total += widths[i];
        }

        var text = new StringBuilder();
        Append(text, _titles, widths);
        text.Append('-', total).Append('\n');
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
