namespace Frostline;

/// <summary>Finds the names that a user may have meant; errors about unknown names end with them.</summary>
public static class NearestNames
{
    // The time is quadratic in the length, and names may come from a damaged file.
    private const int LongestName = 500;

    /// <summary>The candidates most like <paramref name="name"/>, best first.</summary>
    /// <param name="name">What was written.</param>
    /// <param name="candidates">The names that exist.</param>
    /// <param name="most">How many to return at the most; default 3.</param>
    /// <returns>
    /// Candidates whose edit distance to the name (Levenshtein 1966, case ignored) is at most half the longer one's length;
    /// empty where nothing is near. Names of more than 500 characters are left out.
    /// </returns>
    public static IReadOnlyList<string> Of(string name, IEnumerable<string> candidates, int most = 3)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(candidates);
        if (name.Length > LongestName) return [];
        var wanted = name.ToUpperInvariant();
        return [.. candidates
            // The distance is at least the difference of the lengths, which costs nothing to compare.
            .Where(candidate => candidate.Length <= LongestName
                && Math.Abs(candidate.Length - wanted.Length) * 2 <= Math.Max(candidate.Length, wanted.Length))
            .Distinct(StringComparer.Ordinal)
            .Select(candidate => (candidate, distance: Distance(wanted, candidate.ToUpperInvariant())))
            .Where(pair => pair.distance * 2 <= Math.Max(wanted.Length, pair.candidate.Length))
            .OrderBy(pair => pair.distance)
            .ThenBy(pair => pair.candidate, StringComparer.Ordinal)
            .Take(most)
            .Select(pair => pair.candidate)];
    }

    /// <summary>The end of an error message: <c>; did you mean "a" or "b"?</c>, or nothing where no name is near.</summary>
    /// <inheritdoc cref="Of"/>
    public static string Hint(string name, IEnumerable<string> candidates, int most = 3)
    {
        var near = Of(name, candidates, most);
        return near.Count == 0 ? "" : $"; did you mean {string.Join(" or ", near.Select(n => $"\"{n}\""))}?";
    }

    private static int Distance(string a, string b)
    {
        var previous = new int[b.Length + 1];
        var current = new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++) previous[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                current[j] = Math.Min(substitution, Math.Min(previous[j], current[j - 1]) + 1);
            }

            (previous, current) = (current, previous);
        }

        return previous[b.Length];
    }
}
