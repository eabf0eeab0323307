using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>Writes a recipe back to YAML, with every default explicit. What it writes loads to the same recipe.</summary>
internal static partial class RecipeWriter
{
    private const int Indent = 2;
    private static readonly RecipePosition Nowhere = new("", 0, 0);

    /// <summary>The text of a recipe.</summary>
    public static string Write(Recipe recipe)
    {
        var text = new StringBuilder();
        Block((MapNode)Object(recipe), 0, text);
        return text.ToString();
    }

    /// <summary>The node that a value of a type is written as; a null is not written.</summary>
    public static RecipeNode ToNode(OptionKey key, object value) => value switch
    {
        string text => new ScalarNode(Nowhere, text, quoted: true),
        bool flag => Plain(flag ? "true" : "false"),
        Enum member => Plain(OptionKey.Kebab(member.ToString())),
        double or float when key.IsMultiplier => Plain(Number(value) + "x"),
        int or long or double or float => Plain(Number(value)),
        CatalogItem item => Item(item),
        IDictionary map => Map(key, map),
        IEnumerable list => List(key, list),
        _ => Object(value),
    };

    /// <summary>The text of a list or single value in one line.</summary>
    public static string Inline(RecipeNode node)
    {
        var text = new StringBuilder();
        Flow(node, text);
        return text.ToString();
    }

    private static string Number(object value) =>
        ((IFormattable)value).ToString(value is double or float ? "R" : null, CultureInfo.InvariantCulture);

    private static ScalarNode Plain(string text) => new(Nowhere, text, quoted: false);

    private static MapNode Object(object value)
    {
        var map = new MapNode(Nowhere);
        foreach (var key in OptionContract.Of(value.GetType()).Keys)
        {
            var written = key.Property.GetValue(value);
            if (written is not null) map.Entries.Add(new MapEntry(Plain(key.Name), ToNode(key, written)));
            else if (key.Default is not null || key.DefaultItem is not null) map.Entries.Add(new MapEntry(Plain(key.Name), Plain("~")));
        }

        return map;
    }

    private static MapNode Item(CatalogItem item)
    {
        var map = new MapNode(Nowhere);
        map.Entries.Add(new MapEntry(Plain("name"), new ScalarNode(Nowhere, item.Name, quoted: true)));
        map.Entries.AddRange(Object(item.Options).Entries);
        return map;
    }

    private static MapNode Map(OptionKey key, IDictionary values)
    {
        var map = new MapNode(Nowhere);
        foreach (DictionaryEntry entry in values)
            map.Entries.Add(new MapEntry(new ScalarNode(Nowhere, (string)entry.Key, quoted: true), ToNode(key, entry.Value!)));
        return map;
    }

    private static ListNode List(OptionKey key, IEnumerable values)
    {
        var list = new ListNode(Nowhere);
        foreach (var value in values) list.Items.Add(ToNode(key, value));
        return list;
    }

    private static void Block(MapNode map, int indent, StringBuilder text, bool continued = false)
    {
        foreach (var (key, value) in map.Entries)
        {
            if (!continued) text.Append(' ', indent);
            continued = false;
            Flow(key, text);
            text.Append(':');
            if (IsInline(value))
            {
                text.Append(' ');
                Flow(value, text);
                text.Append('\n');
            }
            else
            {
                text.Append('\n');
                if (value is MapNode inner) Block(inner, indent + Indent, text);
                else Block((ListNode)value, indent + Indent, text);
            }
        }
    }

    private static void Block(ListNode list, int indent, StringBuilder text)
    {
        foreach (var item in list.Items)
        {
            text.Append(' ', indent).Append("- ");
            if (item is MapNode { Entries.Count: > 0 } map)
            {
                Block(map, indent + Indent, text, continued: true);
            }
            else
            {
                Flow(item, text);
                text.Append('\n');
            }
        }
    }

    private static bool IsInline(RecipeNode node) => node switch
    {
        MapNode map => map.Entries.Count == 0,
        ListNode list => list.Items.All(item => item is not MapNode { Entries.Count: > 0 } && IsInline(item)),
        _ => true,
    };

    private static void Flow(RecipeNode node, StringBuilder text)
    {
        switch (node)
        {
            case ScalarNode scalar:
                if (!scalar.Quoted || IsPlain(scalar.Text)) text.Append(scalar.Text);
                else Quote(scalar.Text, text);
                break;
            case ListNode list:
                text.Append('[');
                for (var i = 0; i < list.Items.Count; i++)
                {
                    if (i > 0) text.Append(", ");
                    Flow(list.Items[i], text);
                }

                text.Append(']');
                break;
            case MapNode map:
                text.Append('{');
                for (var i = 0; i < map.Entries.Count; i++)
                {
                    text.Append(i > 0 ? ", " : " ");
                    Flow(map.Entries[i].Key, text);
                    text.Append(": ");
                    Flow(map.Entries[i].Value, text);
                }

                text.Append(map.Entries.Count > 0 ? " }" : "}");
                break;
        }
    }

    /// <summary>
    /// Whether a text needs no quotes: a word or path that no reader of YAML, 1.1 or 1.2, takes for something else.
    /// </summary>
    private static bool IsPlain(string text) =>
        PlainText().IsMatch(text) && !Reserved().IsMatch(text) && !double.TryParse(text, CultureInfo.InvariantCulture, out _);

    private static void Quote(string value, StringBuilder text)
    {
        text.Append('"');
        foreach (var c in value)
        {
            switch (c)
            {
                case '"' or '\\':
                    text.Append('\\').Append(c);
                    break;
                case '\n':
                    text.Append("\\n");
                    break;
                case '\t':
                    text.Append("\\t");
                    break;
                // Not printable in YAML, or a line break to some readers.
                case < ' ' or (>= '\u007F' and <= '\u00A0') or '\u2028' or '\u2029' or '\uFEFF' or >= '\uFFFE':
                    text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
                    break;
                default:
                    text.Append(c);
                    break;
            }
        }

        text.Append('"');
    }

    [GeneratedRegex(
        @"^[A-Za-z_./][A-Za-z0-9_./\-]*\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex PlainText();

    [GeneratedRegex(
        @"^(null|true|false|on|off|yes|no|y|n|\.inf|\.nan)\z|[./]\z|^\.+\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Reserved();
}
