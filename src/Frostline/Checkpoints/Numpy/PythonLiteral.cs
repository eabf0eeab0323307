using System.Globalization;

namespace Frostline.Checkpoints;

/// <summary>A Python list in a literal; tuples are plain arrays, so that the two can be told apart.</summary>
internal sealed record PythonList(object?[] Items);

/// <summary>
/// Parses the Python literals that stand in the headers of NumPy's files: dictionaries with texts as keys, lists, tuples, texts,
/// non-negative integers, <c>True</c>, <c>False</c> and <c>None</c>. Nothing is evaluated, and nesting is bounded.
/// </summary>
internal ref struct PythonLiteral
{
    // numpy.dtype descriptions nest a list or two for each structured type within another.
    private const int Depth = 16;

    private readonly ReadOnlySpan<char> _text;
    private readonly Func<string, CheckpointException> _error;
    private int _at;

    private PythonLiteral(ReadOnlySpan<char> text, Func<string, CheckpointException> error)
    {
        _text = text;
        _error = error;
    }

    /// <summary>Parses a text that holds one literal and white space.</summary>
    /// <param name="text">The text.</param>
    /// <param name="error">Makes the error of what is wrong.</param>
    /// <returns>
    /// A <c>Dictionary&lt;string, object?&gt;</c>, <see cref="PythonList"/>, <c>object?[]</c> (a tuple), string, long, bool or null.
    /// </returns>
    /// <exception cref="CheckpointException">It is something else.</exception>
    public static object? Parse(ReadOnlySpan<char> text, Func<string, CheckpointException> error)
    {
        var parser = new PythonLiteral(text, error);
        var value = parser.Value(0);
        if (parser.Next() != '\0') throw parser.Unexpected();
        return value;
    }

    private object? Value(int depth)
    {
        if (depth > Depth) throw _error($"nests deeper than {Depth} at character {_at}");
        switch (Next())
        {
            case '{': return Dictionary(depth);
            case '[':
                _at++;
                return new PythonList(Items(']', depth, out _));
            case '(':
                _at++;
                var items = Items(')', depth, out var comma);
                // One value in parentheses is no tuple.
                return items.Length == 1 && !comma ? items[0] : items;
            case '\'' or '"': return Text();
            case >= '0' and <= '9': return Number();
            default: return Word();
        }
    }

    private Dictionary<string, object?> Dictionary(int depth)
    {
        var entries = new Dictionary<string, object?>(StringComparer.Ordinal);
        _at++;
        while (Next() != '}')
        {
            if (Next() is not ('\'' or '"')) throw Unexpected();
            var key = Text();
            Require(':');
            if (!entries.TryAdd(key, Value(depth + 1))) throw _error("has a key twice");
            if (Next() != '}') Require(',');
        }

        _at++;
        return entries;
    }

    private object?[] Items(char close, int depth, out bool comma)
    {
        var items = new List<object?>();
        comma = false;
        while (Next() != close)
        {
            items.Add(Value(depth + 1));
            comma = Next() == ',';
            if (comma) _at++;
            else if (Next() != close) throw Unexpected();
        }

        _at++;
        return [.. items];
    }

    /// <summary>A text between quotes; escapes stay as they are written.</summary>
    private string Text()
    {
        var quote = _text[_at];
        var start = ++_at;
        for (; _at < _text.Length && _text[_at] != quote; _at++)
            if (_text[_at] == '\\') _at++;
        if (_at >= _text.Length) throw _error("has a text without an end");
        return _text[start.._at++].ToString();
    }

    private long Number()
    {
        var start = _at;
        while (_at < _text.Length && char.IsAsciiDigit(_text[_at])) _at++;
        var digits = _text[start.._at];
        // Python 2 marked its long integers.
        if (_at < _text.Length && _text[_at] == 'L') _at++;
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw _error($"has a number of more than 64 bits at character {start}");
    }

    private bool? Word()
    {
        var start = _at;
        while (_at < _text.Length && char.IsAsciiLetter(_text[_at])) _at++;
        switch (_text[start.._at])
        {
            case "True": return true;
            case "False": return false;
            case "None": return null;
            default:
                _at = start;
                throw Unexpected();
        }
    }

    /// <summary>The next character that is no white space; NUL at the end.</summary>
    private char Next()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\n' or '\r' or '\t') _at++;
        return _at < _text.Length ? _text[_at] : '\0';
    }

    private void Require(char character)
    {
        if (Next() != character) throw Unexpected();
        _at++;
    }

    private readonly CheckpointException Unexpected() => _error($"is no plain Python literal at character {_at}");
}
