using System.Text;
using System.Text.Json;

namespace Frostline.Vision.Data;

/// <summary>How many labels the rows of a list have.</summary>
internal enum LabelKind
{
    /// <summary>There is no label.</summary>
    None,

    /// <summary>Exactly one.</summary>
    One,

    /// <summary>Any number.</summary>
    Several,
}

/// <summary>One image of a list, with the line that names it, from 1.</summary>
internal sealed record ListRow(int Line, string Path, IReadOnlyList<string> Labels);

/// <summary>A list of images.</summary>
internal sealed record ParsedList(LabelKind Kind, IReadOnlyList<ListRow> Rows);

/// <summary>Parses lists of images: CSV (RFC 4180) with a header, or one JSON object a line.</summary>
internal static class ImageListParser
{
    /// <summary>Parses a list, whose format its first character tells.</summary>
    /// <exception cref="FrostlineException">The list is malformed; the message has file and line.</exception>
    public static ParsedList Parse(string text, string source, string separator)
    {
        if (separator.Length == 0) throw new FrostlineException("the separator of labels is empty");
        text = text.TrimStart('\uFEFF');
        return text.TrimStart().StartsWith('{') ? ParseJsonLines(text, source) : ParseCsv(text, source, separator);
    }

    /// <summary>A text of the list as an error shows it: on one line, and not endless.</summary>
    public static string Shown(string text)
    {
        var line = string.Concat(text.Take(80).Select(c => char.IsControl(c) ? ' ' : c));
        return text.Length > 80 ? line + " …" : line;
    }

    private static ParsedList ParseCsv(string text, string source, string separator)
    {
        var records = Records(text, source);
        if (records.Count == 0) throw new FrostlineException($"{source} is empty; it needs a header: path,label");
        var header = records[0].Cells.Select(c => c.Trim()).ToList();
        int path = header.IndexOf("path"), label = header.IndexOf("label"), labels = header.IndexOf("labels");
        if (path < 0)
            throw new FrostlineException($"{source}:1: the header has no column path; it has {Shown(string.Join(", ", header))}");
        if (label >= 0 && labels >= 0)
            throw new FrostlineException($"{source}:1: the header has both label and labels; keep one of them");
        var kind = label >= 0 ? LabelKind.One : labels >= 0 ? LabelKind.Several : LabelKind.None;
        List<ListRow> rows = [];
        foreach (var (line, cells) in records.Skip(1))
        {
            if (cells.Count != header.Count)
                throw new FrostlineException($"{source}:{line}: {cells.Count} columns, but the header has {header.Count}");
            rows.Add(Row(source, line, cells[path].Trim(), kind, kind switch
            {
                LabelKind.One => [cells[label].Trim()],
                LabelKind.Several =>
                    cells[labels].Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
                _ => [],
            }));
        }

        return new ParsedList(kind, rows);
    }

    private static ParsedList ParseJsonLines(string text, string source)
    {
        LabelKind? kind = null;
        List<ListRow> rows = [];
        var line = 0;
        foreach (var content in text.Split('\n'))
        {
            line++;
            if (string.IsNullOrWhiteSpace(content)) continue;
            var (row, rowKind) = ParseJson(content, source, line);
            kind ??= rowKind;
            if (kind != rowKind)
                throw new FrostlineException(
                    $"{source}:{line}: every line has to have the same of label, labels or neither as the first one");
            rows.Add(row);
        }

        return new ParsedList(kind ?? LabelKind.None, rows);
    }

    private static (ListRow Row, LabelKind Kind) ParseJson(string content, string source, int line)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new FrostlineException($"{source}:{line}: not a JSON object");
            var path = document.RootElement.TryGetProperty("path", out var p) ? Text(p) : null;
            if (path is null) throw new FrostlineException($"{source}:{line}: no \"path\" with a text");
            var hasLabel = document.RootElement.TryGetProperty("label", out var label);
            var hasLabels = document.RootElement.TryGetProperty("labels", out var labels);
            if (hasLabel && hasLabels)
                throw new FrostlineException($"{source}:{line}: both \"label\" and \"labels\"; keep one of them");
            if (hasLabels && labels.ValueKind != JsonValueKind.Array)
                throw new FrostlineException($"{source}:{line}: \"labels\" is not a list");
            string?[] texts = hasLabel ? [Text(label)] : hasLabels ? [.. labels.EnumerateArray().Select(Text)] : [];
            if (texts.Contains(null)) throw new FrostlineException($"{source}:{line}: a label has to be a text or an integer");
            var kind = hasLabel ? LabelKind.One : hasLabels ? LabelKind.Several : LabelKind.None;
            return (Row(source, line, path, kind, [.. texts.OfType<string>()]), kind);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Half a surrogate pair is found only when the text is taken out.
            throw new FrostlineException($"{source}:{line}: not valid JSON", error);
        }
    }

    private static string? Text(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number when element.TryGetInt64(out _) => element.GetRawText(),
        _ => null,
    };

    private static ListRow Row(string source, int line, string path, LabelKind kind, string[] labels)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
            throw new FrostlineException($"{source}:{line}: the path is empty or not a path");
        if (kind == LabelKind.One && labels[0].Length == 0) throw new FrostlineException($"{source}:{line}: the label is empty");
        return new ListRow(line, path, labels);
    }

    /// <summary>The records of a CSV with the line on which each begins; empty lines are left out.</summary>
    private static List<(int Line, List<string> Cells)> Records(string text, string source)
    {
        List<(int, List<string>)> records = [];
        List<string> cells = [];
        var cell = new StringBuilder();
        int line = 1, start = 1;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '"' && cell.Length == 0) i = Quoted(text, i, cell, source, ref line);
            else if (c == ',') Flush(cells, cell);
            else if (c is '\n' or '\r')
            {
                if (c == '\r' && i + 1 < text.Length && text[i + 1] == '\n') i++;
                EndRecord();
                start = ++line;
            }
            else cell.Append(c);
        }

        EndRecord();
        return records;

        void EndRecord()
        {
            if (cells.Count == 0 && cell.ToString().Trim().Length == 0)
            {
                cell.Clear();
                return;
            }

            Flush(cells, cell);
            records.Add((start, cells));
            cells = [];
        }

        static void Flush(List<string> cells, StringBuilder cell)
        {
            cells.Add(cell.ToString());
            cell.Clear();
        }
    }

    /// <summary>Takes a quoted cell that opens at <paramref name="open"/>; returns the position of its closing quote.</summary>
    private static int Quoted(string text, int open, StringBuilder cell, string source, ref int line)
    {
        var opened = line;
        for (var i = open + 1; i < text.Length; i++)
        {
            if (text[i] == '\n') line++;
            if (text[i] != '"')
            {
                cell.Append(text[i]);
                continue;
            }

            if (i + 1 >= text.Length || text[i + 1] != '"') return i;
            cell.Append('"');
            i++;
        }

        throw new FrostlineException($"{source}:{opened}: a quote is opened and not closed");
    }
}
