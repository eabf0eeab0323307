namespace Frostline.Selection;

/// <summary>
/// A pattern over the dotted names of a network: the only way in which names are chosen.
/// </summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>layer1.*.conv?</c></term><description>a glob over the whole name: <c>*</c> any characters within a segment,
/// <c>?</c> one of them, <c>**</c> any characters, dots included; <c>layer1.**</c> means the same as <c>layer1</c>, and
/// <c>**.bias</c> also matches a <c>bias</c> of the root</description></item>
/// <item><term><c>type:BatchNorm2d</c></term><description>modules by the name of their type or of a base type; <c>*</c> and
/// <c>?</c> are allowed; <c>type:BatchNorm</c> and <c>type:Dropout</c> match the whole family</description></item>
/// <item><term><c>regex:(conv|bn)1$</c></term><description>a .NET regular expression that has to occur in the name; it ends at
/// the first space or closing parenthesis outside its own brackets; the root is never matched by it</description></item>
/// <item><term><c>stage:stem..layer3</c></term><description>what the stages of a staged network own, one or a range
/// (<c>..layer3</c> and <c>layer3..</c> are open ranges); <c>stage:hrnet</c> also means <c>hrnet.stem</c> and its like</description></item>
/// <item><term><c>depth:&lt;30%</c></term><description>the lowest 30 % of the layers; also <c>&lt;=</c>, <c>&gt;</c> and
/// <c>&gt;=</c>, from 0 to 100 %. Layers are the modules that hold parameters or buffers themselves, in the order of the stages and
/// of registration; layer i of n, from 0, has depth i/n, and an activation or dropout that of the layers before it. Containers are
/// not matched, only what lies in them</description></item>
/// <item><term><c>a &amp; !b | c</c>, <c>( )</c></term><description>set algebra; <c>!</c> binds more tightly than <c>&amp;</c>,
/// and that more tightly than <c>|</c></description></item>
/// </list>
/// A matched module includes everything below it: each pattern is completed downwards before the algebra is applied.
/// Names are compared with case.
/// </remarks>
public sealed class Selector
{
    private readonly SelectorExpression _expression;

    private Selector(string text, SelectorExpression expression)
    {
        Text = text;
        _expression = expression;
    }

    /// <summary>The selector as it was written.</summary>
    public string Text { get; }

    /// <summary>Reads a selector.</summary>
    /// <param name="text">The pattern; see the remarks of <see cref="Selector"/>.</param>
    /// <exception cref="SelectionException">The text is not a selector; the message says where.</exception>
    public static Selector Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new Selector(text, new SelectorParser(text).Parse());
    }

    /// <summary>Chooses from a network. The result may be empty.</summary>
    /// <param name="tree">The network as names, types and stages.</param>
    /// <exception cref="SelectionException">
    /// A stage is named that the network lacks, a range of stages runs backwards, or a regular expression takes more than a
    /// second for one name.
    /// </exception>
    public SelectionResult Select(SelectionTree tree)
    {
        ArgumentNullException.ThrowIfNull(tree);
        var context = new SelectionContext(tree, Text);
        var chosen = _expression.Evaluate(context);
        var modules = new HashSet<string>(StringComparer.Ordinal);
        var tensors = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < chosen.Length; i++)
        {
            if (!chosen[i]) continue;
            var node = tree.Nodes[i];
            (node.Kind == NodeKind.Module ? modules : tensors).Add(node.Name);
        }

        return new SelectionResult(modules, tensors, context.Unmatched);
    }

    /// <summary>Chooses from a network, and refuses a selector that chooses nothing or has a part that matches nothing.</summary>
    /// <param name="tree">The network as names, types and stages.</param>
    /// <returns>A selection that is not empty and whose every pattern matches something.</returns>
    /// <exception cref="SelectionException">As <see cref="Select"/>, and where something matches nothing; names the nearest names.</exception>
    public SelectionResult Require(SelectionTree tree)
    {
        var selection = Select(tree);
        if (selection.Unmatched.Count > 0)
        {
            var pattern = selection.Unmatched[0];
            var where = pattern == Text.Trim() ? $"\"{pattern}\"" : $"\"{pattern}\" in \"{Text}\"";
            throw new SelectionException($"selector {where} matches nothing{SelectionHints.For(pattern, tree)}");
        }

        if (selection.IsEmpty) throw new SelectionException($"selector \"{Text}\" matches nothing: its parts have nothing in common");
        return selection;
    }

    /// <inheritdoc/>
    public override string ToString() => Text;
}
