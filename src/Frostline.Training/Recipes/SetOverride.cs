using System.Globalization;

namespace Frostline.Training.Recipes;

/// <summary>
/// A <c>--set key.path=value</c>: replaces or adds one value of a recipe before it gets its type. Items of lists are written
/// <c>initialize[0].scheme</c> or <c>initialize.0.scheme</c>; the index after the last one appends. The value is text as it
/// stands, unless it starts with <c>[</c>, <c>{</c> or a quote: then it is YAML.
/// </summary>
internal sealed class SetOverride
{
    private readonly RecipePosition _position;
    private readonly IReadOnlyList<string> _path;
    private readonly RecipeNode _value;

    private SetOverride(RecipePosition position, IReadOnlyList<string> path, RecipeNode value)
    {
        _position = position;
        _path = path;
        _value = value;
    }

    /// <summary>Reads an override.</summary>
    /// <param name="text">What follows the option.</param>
    /// <param name="option">The option, for messages.</param>
    /// <exception cref="RecipeException">There is no equals sign, or the path or the value is malformed.</exception>
    public static SetOverride Parse(string text, string option = "--set")
    {
        ArgumentNullException.ThrowIfNull(text);
        var position = new RecipePosition($"{option} {ScalarNode.Shorten(text)}", 0, 0);
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0) throw new RecipeException(position, $"there is no \"=\"; write {option} key.path=value");
        var path = SplitPath(text[..equals].Trim(), position);
        var raw = text[(equals + 1)..].Trim();
        RecipeNode value = raw.Length > 0 && raw[0] is '[' or '{' or '"' or '\''
            ? RecipeText.ReadValue(raw, position)
            : new ScalarNode(position, raw, quoted: false);
        return new SetOverride(position, path, value);
    }

    /// <summary>Applies the override.</summary>
    /// <param name="root">The recipe; changed.</param>
    /// <exception cref="RecipeException">The path goes through a list without an index, or past a list's end.</exception>
    public void Apply(MapNode root)
    {
        RecipeNode container = root;
        for (var depth = 0; depth < _path.Count; depth++)
        {
            var last = depth == _path.Count - 1;
            container = container switch
            {
                MapNode map => InMap(map, depth, last),
                ListNode list => InList(list, depth, last),
                _ => throw Error(depth, "is a single value, not a list or mapping"),
            };
        }
    }

    private RecipeNode InMap(MapNode map, int depth, bool last)
    {
        var key = new ScalarNode(_position, _path[depth], quoted: true);
        var old = map.Find(key.Text);
        if (!last)
        {
            var inner = Container(old?.Value, depth);
            if (!ReferenceEquals(inner, old?.Value)) map.Set(key, inner);
            return inner;
        }

        map.Set(key, _value);
        return _value;
    }

    private RecipeNode InList(ListNode list, int depth, bool last)
    {
        var most = list.Items.Count;
        var written = _path[depth];
        if (!int.TryParse(written, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            throw Error(depth - 1, $"is a list, and \"{ScalarNode.Shorten(written)}\" is no index; write {Prefix(depth - 1)}[0]");
        if (index > most) throw Error(depth - 1, $"has {most} items; the index {index} is past the end (index {most} appends)");
        var old = index < most ? list.Items[index] : null;
        var inner = last ? _value : Container(old, depth);
        if (index == most) list.Items.Add(inner);
        else list.Items[index] = inner;
        return inner;
    }

    /// <summary>
    /// What the rest of the path goes into: the value as it is, or a new mapping or list in place of a bare or absent one.
    /// </summary>
    private RecipeNode Container(RecipeNode? old, int depth)
    {
        if (old is MapNode or ListNode) return old;
        // "optimizer: adamw" becomes a mapping with that bare name when an option is set beside it.
        var bare = old is null || old.IsNull ? null : old;
        var indexed = bare is null && _path[depth + 1] is "0";
        return indexed ? new ListNode(_position) : new MapNode(_position) { Bare = bare };
    }

    private RecipeException Error(int depth, string reason) => new(_position, $"\"{Prefix(depth)}\" {reason}");

    private string Prefix(int depth) => ScalarNode.Shorten(string.Join('.', _path.Take(depth + 1)));

    private static List<string> SplitPath(string path, RecipePosition position)
    {
        var shown = ScalarNode.Shorten(path);
        var parts = new List<string>();
        foreach (var dotted in path.Split('.'))
        {
            var bracket = dotted.IndexOf('[', StringComparison.Ordinal);
            var key = bracket < 0 ? dotted : dotted[..bracket];
            if (key.Length == 0)
                throw new RecipeException(position, $"\"{shown}\" is no path; write keys with dots between them: train.epochs");
            parts.Add(key);
            while (bracket >= 0)
            {
                var close = dotted.IndexOf(']', bracket);
                var digits = close < 0 ? "" : dotted[(bracket + 1)..close];
                if (digits.Length is 0 or > 9 || !digits.All(char.IsAsciiDigit))
                    throw new RecipeException(position, $"\"{shown}\" is no path; an index is a whole number: initialize[0]");
                parts.Add(digits);
                var rest = dotted[(close + 1)..];
                if (rest.Length > 0 && rest[0] != '[')
                    throw new RecipeException(position, $"\"{shown}\" is no path; a dot is missing after \"]\"");
                bracket = rest.Length > 0 ? close + 1 : -1;
            }
        }

        if (parts.Count > RecipeText.MostDepth)
            throw new RecipeException(position, $"\"{shown}\" is nested more than {RecipeText.MostDepth} deep");
        return parts;
    }
}
