using System.Text.RegularExpressions;

namespace Frostline.Selection;

/// <summary>What evaluating a selector needs: the tree, and a place for the patterns that match nothing.</summary>
internal sealed class SelectionContext
{
    internal SelectionContext(SelectionTree tree, string selector)
    {
        Tree = tree;
        Selector = selector;
    }

    internal SelectionTree Tree { get; }

    internal string Selector { get; }

    internal List<string> Unmatched { get; } = [];

    /// <summary>Adds everything below a chosen module. Parents come before children, so that one pass is enough.</summary>
    internal void CompleteDownwards(bool[] chosen)
    {
        var parents = Tree.Parents;
        for (var i = 0; i < chosen.Length; i++)
            if (!chosen[i] && parents[i] >= 0 && chosen[parents[i]]) chosen[i] = true;
    }
}

/// <summary>A part of a selector: which nodes, by their position in the tree.</summary>
internal abstract record SelectorExpression
{
    internal abstract bool[] Evaluate(SelectionContext context);
}

internal sealed record UnionExpression(IReadOnlyList<SelectorExpression> Terms) : SelectorExpression
{
    internal override bool[] Evaluate(SelectionContext context)
    {
        var result = Terms[0].Evaluate(context);
        foreach (var term in Terms.Skip(1))
        {
            var other = term.Evaluate(context);
            for (var i = 0; i < result.Length; i++) result[i] |= other[i];
        }

        return result;
    }
}

internal sealed record IntersectionExpression(IReadOnlyList<SelectorExpression> Terms) : SelectorExpression
{
    internal override bool[] Evaluate(SelectionContext context)
    {
        var result = Terms[0].Evaluate(context);
        foreach (var term in Terms.Skip(1))
        {
            var other = term.Evaluate(context);
            for (var i = 0; i < result.Length; i++) result[i] &= other[i];
        }

        return result;
    }
}

internal sealed record ComplementExpression(SelectorExpression Term) : SelectorExpression
{
    internal override bool[] Evaluate(SelectionContext context) => Array.ConvertAll(Term.Evaluate(context), chosen => !chosen);
}

/// <summary>A leaf of the algebra: matches nodes one by one, then takes in what lies below them.</summary>
internal abstract record PatternExpression(string Text) : SelectorExpression
{
    internal override bool[] Evaluate(SelectionContext context)
    {
        Prepare(context);
        var nodes = context.Tree.Nodes;
        var chosen = new bool[nodes.Count];
        var any = false;
        for (var i = 0; i < chosen.Length; i++) any |= chosen[i] = Matches(nodes[i], i, context);
        if (!any) context.Unmatched.Add(Text);
        context.CompleteDownwards(chosen);
        return chosen;
    }

    /// <summary>Checks the pattern against the tree before the first node.</summary>
    protected virtual void Prepare(SelectionContext context)
    {
    }

    /// <summary>Whether a node itself matches.</summary>
    /// <param name="node">The node.</param>
    /// <param name="position">Its position in the tree.</param>
    /// <param name="context">The tree.</param>
    protected abstract bool Matches(SelectionNode node, int position, SelectionContext context);
}

internal sealed record GlobPattern(string Text) : PatternExpression(Text)
{
    private readonly Glob _glob = new(Text);

    protected override bool Matches(SelectionNode node, int position, SelectionContext context) => _glob.Matches(node.Name);
}

internal sealed record TypePattern(string Token, string Type) : PatternExpression(Token)
{
    private readonly Glob _glob = new(Type);

    protected override bool Matches(SelectionNode node, int position, SelectionContext context) =>
        node.Kind == NodeKind.Module && node.Types.Any(_glob.Matches);
}

internal sealed record RegexPattern(string Token, Regex Regex) : PatternExpression(Token)
{
    protected override bool Matches(SelectionNode node, int position, SelectionContext context)
    {
        // The root's empty name would match almost every expression, and then include everything below it.
        if (node.Name.Length == 0) return false;
        try
        {
            return Regex.IsMatch(node.Name);
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new SelectionException(
                $"selector \"{context.Selector}\": \"{Text}\" takes more than a second on \"{node.Name}\"; simplify the expression", exception);
        }
    }
}

internal sealed record StagePattern(string Token, string First, string Last, bool IsRange) : PatternExpression(Token)
{
    private HashSet<string> _stages = [];

    protected override void Prepare(SelectionContext context)
    {
        var stages = context.Tree.Stages;
        if (stages.Count == 0)
            throw new SelectionException($"selector \"{context.Selector}\": the network has no stages; choose by name instead of \"{Text}\"");
        if (!IsRange)
        {
            _stages = [.. Find(First, context).Select(i => stages[i])];
            return;
        }

        var first = First.Length == 0 ? 0 : Find(First, context)[0];
        var last = Last.Length == 0 ? stages.Count - 1 : Find(Last, context)[^1];
        if (first > last)
            throw new SelectionException($"selector \"{context.Selector}\": stage {First} comes after {Last}; the order is {string.Join(", ", stages)}");
        _stages = [.. stages.Skip(first).Take(last - first + 1)];
    }

    protected override bool Matches(SelectionNode node, int position, SelectionContext context) => node.Stage is not null && _stages.Contains(node.Stage);

    private static List<int> Find(string name, SelectionContext context)
    {
        var glob = new Glob(name + ".**");
        var stages = context.Tree.Stages;
        List<int> found = [.. Enumerable.Range(0, stages.Count).Where(i => glob.Matches(stages[i]))];
        return found.Count > 0 ? found : throw new SelectionException(
            $"selector \"{context.Selector}\": there is no stage \"{name}\"; the stages are {string.Join(", ", stages)}{NearestNames.Hint(name, stages, 1)}");
    }
}

/// <summary>The layers below or above a share of the network's depth; see <see cref="LayerDepths"/>.</summary>
/// <param name="Token">The pattern as it was written.</param>
/// <param name="Comparison"><c>&lt;</c>, <c>&lt;=</c>, <c>&gt;</c> or <c>&gt;=</c>.</param>
/// <param name="Percent">The share, 0…100.</param>
internal sealed record DepthPattern(string Token, string Comparison, decimal Percent) : PatternExpression(Token)
{
    protected override bool Matches(SelectionNode node, int position, SelectionContext context)
    {
        var depths = context.Tree.Depths;
        if (depths.Before(position) is not { } before) return false;

        // Both sides are multiplied out, so that a third of three layers is exactly one.
        var (depth, limit) = (100m * before, Percent * depths.Layers);
        return Comparison switch
        {
            "<" => depth < limit,
            "<=" => depth <= limit,
            ">" => depth > limit,
            _ => depth >= limit,
        };
    }
}
