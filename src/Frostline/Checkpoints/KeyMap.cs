using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Frostline.Checkpoints;

/// <summary>
/// Turns a checkpoint's names into a network's names: a list of rules, each applied to the result of those before it. Maps are
/// immutable; every method returns a new one. A rule that matches no name is an error, except
/// <see cref="StripOptional"/>, which says so in a remark instead. <see cref="KeyMaps"/> has maps that are ready made.
/// </summary>
public sealed class KeyMap
{
    // A user's own expression could need exponential time on a long name.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly ImmutableArray<Rule> _rules;

    private KeyMap(ImmutableArray<Rule> rules) => _rules = rules;

    /// <summary>The map that changes nothing.</summary>
    public static KeyMap Identity { get; } = new([]);

    /// <summary>The rules as text, in order; for reports.</summary>
    public IReadOnlyList<string> Rules => [.. _rules.Select(rule => rule.Text)];

    /// <summary>Removes a prefix from the names that have it; others stay as they are.</summary>
    /// <param name="prefix">The prefix, usually with its dot: <c>module.</c>.</param>
    public KeyMap StripPrefix(string prefix) => Strip(prefix, optional: false);

    /// <summary>As <see cref="StripPrefix"/>, but may match nothing, which becomes a remark.</summary>
    /// <param name="prefix">The prefix that wrappers may have added, such as <c>module.</c> or <c>_orig_mod.</c>.</param>
    public KeyMap StripOptional(string prefix) => Strip(prefix, optional: true);

    /// <summary>Puts a prefix before every name.</summary>
    /// <param name="prefix">The prefix, usually with its dot: <c>hrnet.</c>.</param>
    public KeyMap AddPrefix(string prefix)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        return Add($"add prefix \"{prefix}\"", name => prefix + name);
    }

    /// <summary>Replaces every match of a regular expression in every name.</summary>
    /// <param name="regex">A .NET regular expression, case-sensitive, not anchored unless it says so.</param>
    /// <param name="replacement">The replacement; <c>$1</c> or <c>${name}</c> stand for groups.</param>
    /// <exception cref="CheckpointException">The expression is not valid.</exception>
    public KeyMap Rename(string regex, string replacement)
    {
        ArgumentException.ThrowIfNullOrEmpty(regex);
        ArgumentNullException.ThrowIfNull(replacement);
        Regex parsed;
        try
        {
            parsed = new Regex(regex, RegexOptions.CultureInvariant, s_patience);
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"Key map: \"{regex}\" is not a regular expression ({e.Message})", e);
        }

        return Add($"rename \"{regex}\" to \"{replacement}\"", name =>
        {
            try
            {
                return parsed.IsMatch(name) ? parsed.Replace(name, replacement) : null;
            }
            catch (RegexMatchTimeoutException e)
            {
                throw new CheckpointException($"Key map: \"{regex}\" takes too long on \"{name}\"; write it without nested repetitions", e);
            }
        });
    }

    /// <summary>Renames one name.</summary>
    /// <param name="from">The whole name.</param>
    /// <param name="to">Its new name.</param>
    public KeyMap Map(string from, string to)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentException.ThrowIfNullOrEmpty(to);
        return Add($"map \"{from}\" to \"{to}\"", name => name == from ? to : null, sought: from);
    }

    /// <summary>
    /// Renames several names at once, so that two can be exchanged. Every one of them must be there.
    /// </summary>
    /// <param name="pairs">The new names by whole names; one at least.</param>
    public KeyMap Map(IReadOnlyDictionary<string, string> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        return FirstMatch([.. pairs.Select(pair => Identity.Map(pair.Key, pair.Value))]);
    }

    /// <summary>
    /// Gives each name to the first of several maps of which a rule matches it; the maps after that one do not see the name. A
    /// name that none of them matches stays as it is.
    /// </summary>
    /// <param name="alternatives">
    /// The maps, in order; each has a rule at least. As everywhere, each of their rules must match a name, of those that the
    /// alternatives before it left.
    /// </param>
    /// <exception cref="ArgumentException">There is no alternative, or one has no rule.</exception>
    public KeyMap FirstMatch(params IReadOnlyList<KeyMap> alternatives)
    {
        ArgumentNullException.ThrowIfNull(alternatives);
        if (alternatives.Count == 0 || alternatives.Any(map => map._rules.IsEmpty))
            throw new ArgumentException("each alternative needs a rule, and there must be one at least", nameof(alternatives));
        return new(_rules.Add(new FirstRule([.. alternatives])));
    }

    /// <summary>This map, then another one.</summary>
    /// <param name="next">Applied to the results of this.</param>
    public KeyMap Then(KeyMap next)
    {
        ArgumentNullException.ThrowIfNull(next);
        return new(_rules.AddRange(next._rules));
    }

    /// <summary>Applies the rules to a checkpoint's names.</summary>
    /// <param name="names">The names; distinct.</param>
    /// <returns>A target for each name, in the order of the names, and remarks.</returns>
    /// <exception cref="CheckpointException">
    /// A rule matches nothing (the message names the nearest), two names get one target, or a name becomes empty.
    /// </exception>
    public KeyMapResult Apply(IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        var current = names.ToArray();
        var remarks = new List<string>();
        Apply(current, [.. Enumerable.Range(0, current.Length)], remarks);
        return new KeyMapResult(Pair(names, current), remarks);
    }

    // Returns the indices of the names that a rule matched.
    private HashSet<int> Apply(string[] names, IReadOnlyList<int> among, List<string> remarks)
    {
        var matched = new HashSet<int>();
        foreach (var rule in _rules) matched.UnionWith(rule.Run(names, among, remarks));
        return matched;
    }

    private static KeyPair[] Pair(IReadOnlyList<string> names, string[] targets)
    {
        var sources = new Dictionary<string, string>(StringComparer.Ordinal);
        var pairs = new KeyPair[targets.Length];
        for (var i = 0; i < targets.Length; i++)
        {
            if (!sources.TryAdd(targets[i], names[i]))
                throw new CheckpointException(
                    $"Key map: \"{sources[targets[i]]}\" and \"{names[i]}\" both become \"{targets[i]}\"; keep them apart");
            pairs[i] = new KeyPair(names[i], targets[i]);
        }

        return pairs;
    }

    private KeyMap Strip(string prefix, bool optional)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        return Add(
            $"strip {(optional ? "optional " : "")}prefix \"{prefix}\"",
            name => name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : null,
            optional,
            prefix);
    }

    private KeyMap Add(string text, Func<string, string?> apply, bool optional = false, string? sought = null) =>
        new(_rules.Add(new NameRule(text, apply, optional, sought)));

    /// <summary>One rule of a map.</summary>
    private abstract record Rule(string Text)
    {
        /// <summary>Changes some of the names in place, and returns the indices of those that it matched.</summary>
        public abstract IReadOnlyCollection<int> Run(string[] names, IReadOnlyList<int> among, List<string> remarks);
    }

    /// <summary>The names that are left go to the next map.</summary>
    private sealed record FirstRule(ImmutableArray<KeyMap> Maps)
        : Rule($"first match of ({string.Join(" | ", Maps.Select(map => string.Join(", ", map.Rules)))})")
    {
        public override IReadOnlyCollection<int> Run(string[] names, IReadOnlyList<int> among, List<string> remarks)
        {
            var matched = new HashSet<int>();
            foreach (var map in Maps)
                matched.UnionWith(map.Apply(names, [.. among.Where(index => !matched.Contains(index))], remarks));
            return matched;
        }
    }

    /// <summary>A rule that looks at one name at a time: the new name, or null where it does not match.</summary>
    private sealed record NameRule(string Text, Func<string, string?> Change, bool Optional, string? Sought) : Rule(Text)
    {
        public override IReadOnlyCollection<int> Run(string[] names, IReadOnlyList<int> among, List<string> remarks)
        {
            var matched = new List<int>();
            foreach (var index in among)
            {
                if (Change(names[index]) is not { } renamed) continue;
                if (renamed.Length == 0)
                    throw new CheckpointException(
                        $"Key map: {Text} leaves nothing of the name \"{names[index]}\"; match less of it");
                names[index] = renamed;
                matched.Add(index);
            }

            if (matched.Count > 0) return matched;
            if (!Optional)
                throw new CheckpointException(
                    $"Key map: {Text} matches none of {among.Count} names{Hint([.. among.Select(index => names[index])])}");
            remarks.Add($"{Text} matched nothing");
            return matched;
        }

        private string Hint(string[] names)
        {
            if (names.Length == 0) return "";
            // A prefix is compared with the beginnings that exist, a whole name with whole names.
            var near = Sought is null ? ""
                : NearestNames.Hint(Sought, Sought.EndsWith('.') ? Prefixes(names, Sought.Count(c => c == '.')) : names);
            return near.Length > 0 ? near : $"; the first is \"{names[0]}\"";
        }

        private static IEnumerable<string> Prefixes(IReadOnlyList<string> names, int depth) =>
            names.Select(name => name.Split('.')).Where(parts => parts.Length > depth)
                .Select(parts => string.Join('.', parts.Take(depth)) + ".").Distinct(StringComparer.Ordinal);
    }
}

/// <summary>What a <see cref="KeyMap"/> made of a checkpoint's names.</summary>
/// <param name="Pairs">One pair a name, in the order of the names.</param>
/// <param name="Remarks">What is worth saying, such as an optional rule that matched nothing.</param>
public sealed record KeyMapResult(IReadOnlyList<KeyPair> Pairs, IReadOnlyList<string> Remarks);

/// <summary>A checkpoint's name and the network's name for it.</summary>
/// <param name="Source">The name in the checkpoint.</param>
/// <param name="Target">The name in the network.</param>
public readonly record struct KeyPair(string Source, string Target);
