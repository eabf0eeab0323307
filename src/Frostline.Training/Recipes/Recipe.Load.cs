using Frostline.Checkpoints;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <content>Reading a recipe, and finding what it names.</content>
public sealed partial record Recipe
{
    /// <summary>The environment variable that names a folder in which <c>load</c> looks for checkpoints.</summary>
    public const string WeightsVariable = "FROSTLINE_WEIGHTS";

    /// <summary>The recipe's file as it was given; null for a recipe that was made in code.</summary>
    [NotAKey]
    public string? File { get; init; }

    /// <summary>The folder from which relative paths count; by default the current one.</summary>
    [NotAKey]
    public string Folder { get; init; } = Directory.GetCurrentDirectory();

    /// <summary>What it can name; null for a recipe that was made in code.</summary>
    internal Registry? Registry { get; private init; }

    private IReadOnlyDictionary<string, RecipePosition> Positions { get; init; } = new Dictionary<string, RecipePosition>();

    private RecipeOrigin? Origin { get; init; }

    /// <summary>Reads a recipe.</summary>
    /// <param name="path">Its YAML file.</param>
    /// <param name="registry">What it can name. Extensions from its <c>assemblies</c> are added to it.</param>
    /// <param name="sets">
    /// Overrides, <c>key.path=value</c>, applied in order before anything gets its type: <c>train.epochs=3</c>,
    /// <c>initialize[0].scheme=resnet</c>, <c>metrics=[accuracy, top-5]</c>. Null for none.
    /// </param>
    /// <exception cref="RecipeException">The file is missing, is no YAML, or something in it is wrong.</exception>
    public static Recipe Load(string path, Registry registry, IReadOnlyList<string>? sets = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var full = Path.GetFullPath(path);
        return Parse(RecipeFile.ReadText(path, full, "recipe"), path, Path.GetDirectoryName(full)!, registry, sets) with { File = path };
    }

    /// <summary>Reads a recipe from text.</summary>
    /// <param name="text">The YAML.</param>
    /// <param name="source">What messages call it.</param>
    /// <param name="folder">The folder from which relative paths count.</param>
    /// <param name="registry">What it can name. Extensions from its <c>assemblies</c> are added to it.</param>
    /// <param name="sets">Overrides, as for <see cref="Load"/>.</param>
    /// <exception cref="RecipeException">It is no YAML, or something in it is wrong.</exception>
    public static Recipe Parse(string text, string source, string folder, Registry registry, IReadOnlyList<string>? sets = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(registry);
        return Parse(new RecipeOrigin(text, source, [.. (sets ?? []).Select(set => SetOverride.Parse(set))]), Path.GetFullPath(folder), registry);
    }

    /// <summary>This recipe with some values replaced; everything gets its type anew.</summary>
    /// <param name="sets">The values, as for <see cref="Load"/>.</param>
    /// <param name="option">What messages call the option that a value was given with, for example <c>--grid</c>.</param>
    /// <exception cref="FrostlineException">A value is wrong, or the recipe was made in code and not read.</exception>
    internal Recipe With(IReadOnlyList<string> sets, string option)
    {
        if (Registry is null) throw new FrostlineException("a recipe that was made in code cannot be varied; read it from YAML");
        var more = sets.Select(set => SetOverride.Parse(set, option)).ToList();
        // What was changed in code since it was read is only in what it writes.
        var isAsRead = Origin is { } read && Parse(read, Folder, Registry).ToYaml() == ToYaml();
        var origin = isAsRead ? Origin! : new RecipeOrigin(ToYaml(), File ?? "recipe", []);
        return Parse(origin with { Sets = [.. origin.Sets, .. more] }, Folder, Registry) with { File = File };
    }

    private static Recipe Parse(RecipeOrigin origin, string folder, Registry registry)
    {
        var node = RecipeText.Read(origin.Text, origin.Source);
        if (node is not MapNode root)
        {
            var what = node.IsNull ? "the recipe is empty" : $"\"{node.Excerpt}\" is no recipe";
            throw node.Error($"{what}; a recipe is keys and values, and starts with version: 1");
        }
        foreach (var set in origin.Sets) set.Apply(root);
        RecipeFile.RequireVersion(root, "recipe");
        var binder = new RecipeBinder(registry);
        LoadExtensions(root, folder, registry);
        var recipe = (Recipe)binder.Object(typeof(Recipe), root, "");
        return recipe with { Folder = folder, Positions = binder.Positions, Registry = registry, Origin = origin };
    }

    /// <summary>
    /// This recipe as YAML with every default explicit, paths as they were given. It loads to the same recipe; overrides are part
    /// of it.
    /// </summary>
    public string ToYaml() => RecipeWriter.Write(this);

    /// <summary>An error at a place of this recipe.</summary>
    /// <param name="path">
    /// The path of the value, for example <c>initialize[0].load</c>. Where it is not written, the nearest written value above it.
    /// </param>
    /// <param name="reason">What is wrong and what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public RecipeException Error(string path, string reason, Exception? inner = null)
    {
        var position = PositionOf(path) ?? new RecipePosition(File ?? "recipe", 0, 0);
        return new RecipeException(position, reason, inner);
    }

    /// <summary>Where a value is written.</summary>
    /// <param name="path">The path of the value, for example <c>freeze[1].train</c>.</param>
    /// <returns>Its place, else that of the nearest written value above it; null for a recipe that was made in code.</returns>
    public RecipePosition? PositionOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        while (path.Length > 0)
        {
            if (Positions.TryGetValue(path, out var position)) return position;
            path = path[..Math.Max(0, path.LastIndexOfAny(['.', '[']))];
        }

        return null;
    }

    /// <summary>Does something with a value of this recipe, so that errors about it start with its place.</summary>
    /// <param name="path">The path of the value, for example <c>freeze[1].train</c>.</param>
    /// <param name="work">What is done.</param>
    /// <typeparam name="TResult">What comes of it.</typeparam>
    /// <exception cref="RecipeException">The work threw a <see cref="FrostlineException"/>, which is the inner one.</exception>
    public TResult At<TResult>(string path, Func<TResult> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        try
        {
            return work();
        }
        catch (FrostlineException exception) when (exception is not RecipeException)
        {
            throw Error(path, exception.Message, exception);
        }
    }

    /// <summary>Finds the file of a <c>load</c> rule.</summary>
    /// <param name="rule">A rule of <see cref="Initialize"/>.</param>
    /// <returns>The full path of a file that exists.</returns>
    /// <exception cref="RecipeException">The file is in none of the folders; the message lists them.</exception>
    public string FindCheckpoint(LoadRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        var folders = new List<string> { Folder };
        if (Weights is { Length: > 0 }) folders.Add(Path.GetFullPath(Weights, Folder));
        if (Environment.GetEnvironmentVariable(WeightsVariable) is { Length: > 0 } shared) folders.Add(Path.GetFullPath(shared));
        var candidates = folders.Select(folder => Path.GetFullPath(rule.Load, folder)).Distinct(StringComparer.Ordinal).ToList();
        if (candidates.Find(System.IO.File.Exists) is { } found) return found;
        var index = Initialize.TakeWhile(other => !ReferenceEquals(other, rule)).Count();
        var hint = folders.Count < 3 ? $" (weights: and {WeightsVariable} add folders)" : "";
        throw Error(
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"initialize[{index}].load"),
            $"\"{rule.Load}\" is missing; looked for {string.Join(", ", candidates)}{hint}");
    }

    /// <summary>From the names in the file of a <c>load</c> rule to the network's.</summary>
    /// <param name="rule">A rule of <see cref="Initialize"/>.</param>
    /// <returns>The prefixes that are taken off, the <c>map</c>, the renames and the prefix that is put on, in this order.</returns>
    /// <exception cref="RecipeException">Its <c>map</c> is neither ready made nor a file, or something in the file is wrong.</exception>
    public KeyMap KeyMapOf(LoadRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        return rule.ToKeyMap(rule.Map is null ? KeyMap.Identity : NamedMap(rule, rule.Map));
    }

    private KeyMap NamedMap(LoadRule rule, string map)
    {
        if (KeyMaps.Find(map) is { } known) return known;
        var path = Path.GetFullPath(map, Folder);
        if (System.IO.File.Exists(path)) return KeyMapFile.Load(path);
        var index = Initialize.TakeWhile(other => !ReferenceEquals(other, rule)).Count();
        throw Error(
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"initialize[{index}].map"),
            $"\"{map}\" is neither a file ({path}) nor one of {string.Join(", ", KeyMaps.Names)}{NearestNames.Hint(map, KeyMaps.Names)}");
    }

    private static void LoadExtensions(MapNode root, string folder, Registry registry)
    {
        if (root.Find("assemblies")?.Value is not ListNode list) return;
        // What is no text is reported where the whole recipe is read.
        foreach (var item in list.Items.OfType<ScalarNode>().Where(item => !item.IsNull))
            ExtensionLoader.Load(item.Text, folder, item.Position, registry);
    }

    /// <summary>What a recipe was read from.</summary>
    private sealed record RecipeOrigin(string Text, string Source, IReadOnlyList<SetOverride> Sets);
}
