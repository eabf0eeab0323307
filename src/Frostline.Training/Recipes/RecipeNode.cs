namespace Frostline.Training.Recipes;

/// <summary>A value of a recipe before it has a C# type: text, a list or a mapping, and where it stands.</summary>
internal abstract class RecipeNode(RecipePosition position)
{
    /// <summary>Where the value starts.</summary>
    public RecipePosition Position { get; } = position;

    /// <summary>Whether nothing is written: an empty value, <c>~</c> or <c>null</c>.</summary>
    public bool IsNull => this is ScalarNode { Quoted: false, Text: "" or "~" or "null" };

    /// <summary>The value as a message quotes it.</summary>
    public abstract string Excerpt { get; }

    /// <summary>An error at this value.</summary>
    public RecipeException Error(string reason) => new(Position, reason);

    /// <summary>A copy that shares nothing with this one.</summary>
    /// <param name="spend">Called once for each node that is made; throws where there are too many.</param>
    public abstract RecipeNode Copy(Action spend);
}

/// <summary>A single value, as text.</summary>
internal sealed class ScalarNode(RecipePosition position, string text, bool quoted) : RecipeNode(position)
{
    private const int LongestExcerpt = 60;

    /// <summary>The text without quotes.</summary>
    public string Text { get; } = text;

    /// <summary>Whether it stands in quotes or in a block, so that it is text whatever it looks like.</summary>
    public bool Quoted { get; } = quoted;

    /// <inheritdoc/>
    public override string Excerpt => Shorten(Text);

    /// <summary>A text as messages quote it: one line, not too long.</summary>
    public static string Shorten(string text)
    {
        var line = string.Concat(text.Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' || char.IsSurrogate(c)
            ? ' '
            : c));
        return line.Length > LongestExcerpt ? string.Concat(line.AsSpan(0, LongestExcerpt), "…") : line;
    }

    /// <inheritdoc/>
    public override RecipeNode Copy(Action spend)
    {
        spend();
        return new ScalarNode(Position, Text, Quoted);
    }
}

/// <summary>A list.</summary>
internal sealed class ListNode(RecipePosition position) : RecipeNode(position)
{
    /// <summary>The items in order.</summary>
    public List<RecipeNode> Items { get; } = [];

    /// <inheritdoc/>
    public override string Excerpt => "[…]";

    /// <inheritdoc/>
    public override RecipeNode Copy(Action spend)
    {
        spend();
        var copy = new ListNode(Position);
        copy.Items.AddRange(Items.Select(item => item.Copy(spend)));
        return copy;
    }
}

/// <summary>A mapping of keys to values, in the order in which they are written.</summary>
internal sealed class MapNode(RecipePosition position) : RecipeNode(position)
{
    /// <summary>The keys and values.</summary>
    public List<MapEntry> Entries { get; } = [];

    /// <summary>
    /// The bare value that stood here before a <c>--set</c> added keys to it: a catalogue's name, or the value of a shorthand.
    /// </summary>
    public RecipeNode? Bare { get; init; }

    /// <inheritdoc/>
    public override string Excerpt => Entries.Count == 0 ? "{}" : $"{{ {Entries[0].Key.Excerpt}: … }}";

    /// <summary>The entry of a key, or null.</summary>
    public MapEntry? Find(string key) => Entries.Find(entry => entry.Key.Text == key);

    /// <summary>Sets a key, in place of the value that it has.</summary>
    public void Set(ScalarNode key, RecipeNode value)
    {
        var index = Entries.FindIndex(entry => entry.Key.Text == key.Text);
        if (index < 0) Entries.Add(new MapEntry(key, value));
        else Entries[index] = new MapEntry(key, value);
    }

    /// <inheritdoc/>
    public override RecipeNode Copy(Action spend)
    {
        spend();
        var copy = new MapNode(Position);
        copy.Entries.AddRange(Entries.Select(e => new MapEntry((ScalarNode)e.Key.Copy(spend), e.Value.Copy(spend))));
        return copy;
    }
}

/// <summary>A key and its value.</summary>
internal sealed record MapEntry(ScalarNode Key, RecipeNode Value);
