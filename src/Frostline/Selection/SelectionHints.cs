namespace Frostline.Selection;

/// <summary>Turns a pattern that matches nothing into one that the user may have meant.</summary>
internal static class SelectionHints
{
    /// <summary>The end of an error message: near names, or nothing.</summary>
    internal static string For(string pattern, SelectionTree tree)
    {
        if (pattern.StartsWith("type:", StringComparison.Ordinal))
            return NearestNames.Hint(pattern, tree.Nodes.SelectMany(node => node.Types).Distinct(StringComparer.Ordinal).Select(type => "type:" + type));
        if (pattern.Contains(':', StringComparison.Ordinal)) return "";

        var segments = pattern.Split('.');
        var names = tree.Nodes.Where(node => node.Name.Length > 0).Select(node => node.Name.Split('.')).ToList();
        var literals = segments.TakeWhile(segment => !IsWild(segment)).Count();
        return literals > 0 ? ForHead(segments, literals, names) : ForSegment(segments, names);
    }

    /// <summary>Names of the same depth as the pattern's literal beginning, with the rest of the pattern put behind them.</summary>
    private static string ForHead(string[] segments, int literals, List<string[]> names)
    {
        // Descend while the beginning exists, so that "layer1.0.cnv1" is compared within layer1.0 only.
        var candidates = names;
        var depth = 0;
        while (depth < literals - 1)
        {
            var (at, wanted) = (depth, segments[depth]);
            var narrower = candidates.Where(name => name.Length > at && name[at] == wanted).ToList();
            if (narrower.Count == 0) break;
            candidates = narrower;
            depth++;
        }

        var tail = literals < segments.Length ? "." + string.Join('.', segments[literals..]) : "";
        var heads = candidates.Where(name => name.Length >= literals).Select(name => string.Join('.', name[..literals]));
        return Phrase(NearestNames.Of(string.Join('.', segments[..literals]), heads).Select(near => near + tail));
    }

    /// <summary>A pattern that begins with a wildcard: its first literal segment against every segment that occurs.</summary>
    private static string ForSegment(string[] segments, List<string[]> names)
    {
        var at = Array.FindIndex(segments, segment => !IsWild(segment));
        if (at < 0) return "";
        var known = names.SelectMany(name => name).Distinct(StringComparer.Ordinal);
        var near = NearestNames.Of(segments[at], known);
        return near.Contains(segments[at], StringComparer.Ordinal) ? "" : Phrase(near.Select(Replaced));

        string Replaced(string segment) => string.Join('.', segments.Select((old, i) => i == at ? segment : old));
    }

    private static string Phrase(IEnumerable<string> patterns)
    {
        var text = string.Join(" or ", patterns.Select(pattern => $"\"{pattern}\""));
        return text.Length == 0 ? "" : $"; did you mean {text}?";
    }

    private static bool IsWild(string segment) => segment.Contains('*', StringComparison.Ordinal) || segment.Contains('?', StringComparison.Ordinal);
}
