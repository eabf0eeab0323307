using Frostline.Optimization;
using Frostline.Training.Recipes;

namespace Frostline.Training.Sweeps;

/// <summary>One key of a grid.</summary>
/// <param name="Name">As it was written: a short name or a path.</param>
/// <param name="Path">The path in the recipe.</param>
/// <param name="Values">Its values, as they were written.</param>
internal sealed record GridKey(string Name, string Path, IReadOnlyList<string> Values);

/// <summary>One trial before it is set up.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Values">Its value of each key, by the key's name as written, in the order of the grid.</param>
/// <param name="Sets">The same as overrides of the recipe, <c>path=value</c>.</param>
/// <param name="Recipe">The recipe with these values.</param>
internal sealed record TrialPlan(int Number, IReadOnlyDictionary<string, string> Values, IReadOnlyList<string> Sets, Recipe Recipe);

/// <summary>
/// The values that trials of one recipe differ in. Keys are short names of the optimizer's options, <c>seed</c>, or paths of the recipe that
/// change neither the data nor what lies below the frost line; what a path does to the frozen part is seen when the trial is set up.
/// </summary>
internal sealed class SweepGrid
{
    /// <summary>How many trials there may be at most.</summary>
    public const int MostTrials = 256;

    private static readonly Dictionary<string, string> s_refused = new(StringComparer.Ordinal)
    {
        ["data"] = "changes the data or its transforms, which all trials share",
        ["prefix"] = "changes how the frozen part is computed, which all trials share",
        ["train.mixup"] = "mixes the inputs of the frozen part, which all trials share",
        ["metrics"] = "changes what is measured, and trials are compared by one metric",
        ["best"] = "changes what is measured, and trials are compared by one metric",
    };

    // The rest: version, name, threads, device and so on.
    private static readonly string[] s_varied = ["seed", "model", "initialize", "allow-random", "freeze", "train", "loss"];

    private SweepGrid(IReadOnlyList<GridKey> keys) => Keys = keys;

    /// <summary>The keys, in the order in which they were written.</summary>
    public IReadOnlyList<GridKey> Keys { get; }

    /// <summary>Reads a grid.</summary>
    /// <param name="recipe">The recipe that is varied.</param>
    /// <param name="texts">For each key <c>key=value,value,…</c>; commas in brackets, braces and quotes are part of a value.</param>
    /// <exception cref="FrostlineException">There is no key, one is unknown or cannot be varied, or there are too many trials.</exception>
    public static SweepGrid Of(Recipe recipe, IReadOnlyList<string> texts)
    {
        if (texts.Count == 0) throw new FrostlineException("a sweep needs a grid; write --grid learning-rate=1e-3,1e-2");
        var keys = texts.Select(text => KeyOf(recipe, text)).ToList();
        var twice = keys.GroupBy(key => key.Path, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null) throw new FrostlineException($"--grid has {twice.Key} twice; write all of its values behind one: {twice.Last().Name}=value,value");
        var trials = keys.Aggregate(1L, (count, key) => Math.Min(count * key.Values.Count, int.MaxValue));
        if (trials > MostTrials)
            throw new FrostlineException($"the grid has {trials} trials, and a sweep takes {MostTrials} at most; take values away, or make several sweeps, which share the stored features");
        return new SweepGrid(keys);
    }

    /// <summary>The trials: the product of all values, the last key's changing fastest.</summary>
    /// <param name="recipe">The recipe that is varied.</param>
    /// <exception cref="RecipeException">A value is wrong; the message names it.</exception>
    public IReadOnlyList<TrialPlan> Trials(Recipe recipe)
    {
        IEnumerable<string[]> product = [[]];
        foreach (var key in Keys) product = product.SelectMany(_ => key.Values, (before, value) => (string[])[.. before, value]);
        return [.. product.Select((values, index) => Trial(recipe, index + 1, values))];
    }

    private TrialPlan Trial(Recipe recipe, int number, string[] values)
    {
        // What is nested in another key's value comes behind it: train.optimizer=sgd before learning-rate=0.1.
        var sets = Keys.Zip(values).OrderBy(pair => pair.First.Path.Count(c => c is '.' or '['))
            .Select(pair => $"{pair.First.Path}={pair.Second}").ToList();
        var named = Keys.Zip(values).ToDictionary(pair => pair.First.Name, pair => pair.Second, StringComparer.Ordinal);
        return new TrialPlan(number, named, sets, recipe.With(sets, "--grid"));
    }

    private static GridKey KeyOf(Recipe recipe, string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new FrostlineException($"--grid {text}: there is no \"=\"; write --grid key=value,value");
        var name = text[..equals].Trim();
        var path = PathOf(recipe, name);
        if (ReasonAgainst(recipe, path) is { } reason)
            throw new FrostlineException($"--grid {name}: {reason}; take it out of the grid, and set it for all trials with --set");
        var values = Split(text[(equals + 1)..]);
        if (values.Exists(value => value.Length == 0)) throw new FrostlineException($"--grid {text}: a value is empty; write --grid {name}=value,value");
        if (values.GroupBy(value => value, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new FrostlineException($"--grid {name}: the value {twice.Key} is there twice");
        return new GridKey(name, path, values);
    }

    private static string PathOf(Recipe recipe, string name)
    {
        if (name.AsSpan().IndexOfAny('.', '[') >= 0 || OptionContract.Of(typeof(Recipe)).Find(name) is not null) return name;
        var optimizer = OptionContract.Of(recipe.Train.Optimizer?.Options.GetType() ?? typeof(AdamWSettings));
        if (optimizer.Find(name) is not null) return $"train.optimizer.{name}";
        var names = optimizer.Keys.Select(key => key.Name).Append("seed").ToList();
        throw new FrostlineException($"--grid {name}: neither an option of the optimizer nor a key of recipes; there are {string.Join(", ", names)}, "
            + $"and paths such as train.batch-size{NearestNames.Hint(name, names)}");
    }

    private static string? ReasonAgainst(Recipe recipe, string path)
    {
        foreach (var (refused, reason) in s_refused)
            if (path == refused || path.StartsWith(refused + ".", StringComparison.Ordinal) || path.StartsWith(refused + "[", StringComparison.Ordinal)) return reason;
        if (path == "seed" && recipe.Data.Split is not null)
            return "the seed draws data.split, so that trials would have other data; state data.validate instead of a split";
        var first = path.Split('.', '[')[0];
        return s_varied.Contains(first) ? null : $"\"{first}\" is one for all trials";
    }

    /// <summary>The values between commas that are in no brackets, braces or quotes.</summary>
    private static List<string> Split(string text)
    {
        var (values, start, depth, quote) = (new List<string>(), 0, 0, '\0');
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quote != '\0') quote = c == quote ? '\0' : quote;
            else if (c is '"' or '\'') quote = c;
            else if (c is '[' or '{') depth++;
            else if (c is ']' or '}') depth--;
            else if (c == ',' && depth == 0)
            {
                values.Add(text[start..i].Trim());
                start = i + 1;
            }
        }

        values.Add(text[start..].Trim());
        return values;
    }
}
