using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Frostline.Training.Recipes;

/// <summary>
/// Reads YAML into nodes with places. Bounded: aliases are expanded by copying, and the number of nodes, their depth and the
/// length of the text have limits far above any real recipe, so that no file makes it run for long.
/// </summary>
internal sealed partial class RecipeText
{
    /// <summary>The most characters that a recipe may have.</summary>
    public const int MostCharacters = 1 << 20;

    /// <summary>The most values that a recipe may have, aliases expanded.</summary>
    public const int MostNodes = 100_000;

    /// <summary>How deep values may be nested.</summary>
    public const int MostDepth = 32;

    private readonly string _text;
    private readonly string _what;
    private readonly Func<Mark, RecipePosition> _locate;
    private readonly Dictionary<string, RecipeNode> _anchors = new(StringComparer.Ordinal);
    private readonly Parser _parser;
    private int _nodes;
    private Mark _at = Mark.Empty;

    private RecipeText(string text, string what, Func<Mark, RecipePosition> locate)
    {
        _text = text;
        _what = what;
        _locate = locate;
        _parser = new Parser(new StringReader(text));
    }

    /// <summary>Reads a file's text.</summary>
    /// <param name="text">The YAML.</param>
    /// <param name="source">What the file is called in messages.</param>
    /// <param name="what">What it should be, for messages.</param>
    /// <exception cref="RecipeException">It is no YAML, has two documents, or passes a limit.</exception>
    public static RecipeNode Read(string text, string source, string what = "recipe") =>
        new RecipeText(text, what, mark => new RecipePosition(source, (int)mark.Line, (int)mark.Column)).Document();

    /// <summary>Reads the value of a <c>--set</c>.</summary>
    /// <param name="text">The YAML after the equals sign.</param>
    /// <param name="position">The override's place.</param>
    /// <exception cref="RecipeException">It is no YAML, or passes a limit.</exception>
    public static RecipeNode ReadValue(string text, RecipePosition position) => new RecipeText(text, "recipe", _ => position).Document();

    private RecipeNode Document()
    {
        if (_text.Length > MostCharacters)
            throw new RecipeException(_locate(new Mark()), $"it has {_text.Length} characters; the most is {MostCharacters}");
        try
        {
            _parser.Consume<StreamStart>();
            if (_parser.TryConsume<StreamEnd>(out _)) return new ScalarNode(_locate(new Mark(0, 1, 1)), "", quoted: false);
            _parser.Consume<DocumentStart>();
            var root = Node(0);
            _parser.Consume<DocumentEnd>();
            if (_parser.TryConsume<DocumentStart>(out var second))
                throw new RecipeException(_locate(second.Start), $"\"---\" starts a second document; a {_what} is one");
            return root;
        }
        catch (YamlException exception)
        {
            throw Syntax(exception.Start, exception.Message, exception);
        }
        catch (Exception exception) when (exception
            is InvalidOperationException or ArgumentException or IndexOutOfRangeException or FormatException)
        {
            // The parser's own errors on some malformed input, for example an escape that is no character.
            throw Syntax(_at, exception.Message, exception);
        }
    }

    private RecipeNode Node(int depth)
    {
        var at = _parser.Current is { } current ? current.Start : _at;
        if (depth > MostDepth) throw new RecipeException(_locate(at), $"values are nested more than {MostDepth} deep");
        if (_parser.TryConsume<AnchorAlias>(out var alias))
        {
            _at = alias.Start;
            if (!_anchors.TryGetValue(alias.Value.Value, out var known))
                throw Unquoted(alias.Start, $"*{alias.Value.Value}", "is a YAML alias");
            return known.Copy(Spend);
        }

        Spend();
        if (!_parser.Accept<NodeEvent>(out var start)) throw Syntax(at, "a value is missing", null);
        _at = start.Start;
        if (!start.Tag.IsEmpty && start.Tag.Value != "?") throw Unquoted(start.Start, start.Tag.Value, "is a YAML tag");
        RecipeNode node = start switch
        {
            SequenceStart => List(depth),
            MappingStart => Map(depth),
            _ => Text(_parser.Consume<Scalar>()),
        };
        if (!start.Anchor.IsEmpty) _anchors[start.Anchor.Value] = node;
        return node;
    }

    private ScalarNode Text(Scalar scalar)
    {
        // An escape can state half a surrogate pair, which no file can hold.
        var whole = true;
        for (var i = 0; i < scalar.Value.Length && whole; i++)
        {
            if (!char.IsSurrogate(scalar.Value[i])) continue;
            whole = i + 1 < scalar.Value.Length && char.IsSurrogatePair(scalar.Value, i++);
        }

        var node = new ScalarNode(_locate(scalar.Start), scalar.Value, scalar.Style != ScalarStyle.Plain);
        return whole ? node : throw node.Error($"\"{node.Excerpt}\" is not text: it has half a surrogate pair");
    }

    private ListNode List(int depth)
    {
        var list = new ListNode(_locate(_parser.Consume<SequenceStart>().Start));
        while (!_parser.TryConsume<SequenceEnd>(out _)) list.Items.Add(Node(depth + 1));
        return list;
    }

    private MapNode Map(int depth)
    {
        var map = new MapNode(_locate(_parser.Consume<MappingStart>().Start));
        var keys = new Dictionary<string, ScalarNode>(StringComparer.Ordinal);
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var node = Node(depth + 1);
            if (node is not ScalarNode key) throw node.Error($"\"{node.Excerpt}\" is no key; a key is a single word");
            if (!keys.TryAdd(key.Text, key))
                throw key.Error($"\"{key.Excerpt}\" is given twice, first at {keys[key.Text].Position}; remove one of them");
            map.Entries.Add(new MapEntry(key, Node(depth + 1)));
        }

        return map;
    }

    private void Spend()
    {
        if (++_nodes > MostNodes)
            throw new RecipeException(_locate(_at), $"the {_what} has more than {MostNodes} values, aliases included");
    }

    private RecipeException Syntax(Mark mark, string message, Exception? inner)
    {
        var place = mark.Line > 0 ? mark : _at;
        // The parser tells of tabs where the mapping around them starts.
        if (message.Contains("tab as indentation", StringComparison.Ordinal)) place = FirstTab(place);
        // The value that was meant is the one that the line holds, wherever in it the parser gave up.
        if (Pattern().Match(LineAt(place)) is { Success: true } match)
        {
            var value = match.Groups["value"];
            return Unquoted(new Mark(place.Index, place.Line, value.Index + 1), value.Value, "is no plain text in YAML");
        }

        var reason = message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
        // At the text's end the parser is on a line that is not there: quote the last one that is.
        var line = LineAt(place).Trim();
        if (line.Length == 0) line = _text.TrimEnd().Split('\n')[^1].Trim();
        var excerpt = ScalarNode.Shorten(line);
        return new RecipeException(_locate(place), $"\"{excerpt}\" is not YAML: {Lower(reason)}", inner);
    }

    private RecipeException Unquoted(Mark mark, string value, string what)
    {
        var line = LineAt(mark);
        var column = (int)Math.Clamp(mark.Column - 1, 0, line.Length);
        var pattern = Pattern().Match(line).Groups["value"];
        var rest = pattern.Success && pattern.Index <= column ? pattern.Value : line[column..];
        // Inside brackets the value ends at the next comma or bracket.
        if (rest.IndexOfAny([',', ']', '}']) is >= 0 and var end && line[..column].AsSpan().IndexOfAny('[', '{') >= 0)
            rest = rest[..end];
        if (rest.IndexOf(" #", StringComparison.Ordinal) is >= 0 and var comment) rest = rest[..comment];
        rest = rest.Trim();
        if (rest.Length == 0) rest = value;
        var excerpt = ScalarNode.Shorten(rest);
        var quoted = excerpt.Replace("'", "''", StringComparison.Ordinal);
        return new RecipeException(_locate(mark), $"\"{excerpt}\" {what}; put patterns in quotes: '{quoted}'");
    }

    private Mark FirstTab(Mark from)
    {
        var lines = _text.Split('\n');
        for (var i = (int)from.Line - 1; i < lines.Length; i++)
        {
            var tab = lines[i].IndexOf('\t', StringComparison.Ordinal);
            if (tab >= 0 && string.IsNullOrWhiteSpace(lines[i][..tab])) return new Mark(from.Index, i + 1, tab + 1);
        }

        return from;
    }

    private string LineAt(Mark mark)
    {
        var lines = _text.Split('\n');
        return mark.Line >= 1 && mark.Line <= lines.Length ? lines[(int)mark.Line - 1].TrimEnd('\r') : "";
    }

    private static string Lower(string text) => text.Length == 0 ? text : char.ToLowerInvariant(text[0]) + text[1..];

    /// <summary>A value that starts with a character which YAML keeps for aliases, anchors and tags.</summary>
    [GeneratedRegex(
        @"(?:[:\-\[,]\s+|[:\-]\s+\[\s*|^\s*\[)(?<value>[*&!][^\s#].*)$",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Pattern();
}
