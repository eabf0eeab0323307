using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <content>Things that a catalogue names.</content>
internal sealed partial class RecipeBinder
{
    /// <summary>Binds one thing that a catalogue names, outside of a recipe.</summary>
    /// <param name="thing">What kind of thing.</param>
    /// <param name="node">What is written.</param>
    /// <exception cref="RecipeException">Something in it is wrong.</exception>
    public CatalogItem Item(Type thing, RecipeNode node) => Item(CatalogOf(thing), node, "", null, oneKey: false);

    private ICatalog CatalogOf(Type thing) =>
        registry.Find(thing) ?? throw new InvalidOperationException($"the registry has no catalogue of {thing}");

    /// <summary>
    /// Binds an item: a bare name, <c>{ name: x, … }</c>, or in lists also <c>{ x: options }</c>, where options are a mapping or
    /// the value of the entry's shorthand.
    /// </summary>
    private CatalogItem Item(ICatalog catalog, RecipeNode node, string path, string? fallback, bool oneKey)
    {
        if (node is ScalarNode bare) return Named(catalog, bare, bare.Text, new MapNode(bare.Position), path);
        if (node is not MapNode map)
            throw node.Error($"\"{node.Excerpt}\" is a list; write one {catalog.Kind}: its name, or {{ name: … }}");
        if (map.Find("name") is { } name)
        {
            if (name.Value is ScalarNode { IsNull: false } text) return Named(catalog, text, text.Text, map, path);
            throw name.Value.Error($"\"{name.Value.Excerpt}\" is no name; name: wants that of a {catalog.Kind}");
        }

        if (map.Bare is ScalarNode before) return Named(catalog, before, before.Text, map, path);
        if (oneKey && map.Entries.Count == 1)
        {
            var (key, value) = map.Entries[0];
            return Named(catalog, key, key.Text, value.IsNull ? new MapNode(key.Position) : value, path, holdsName: false);
        }

        if (fallback is not null)
            return Named(catalog, new ScalarNode(map.Position, fallback, quoted: true), fallback, map, path);
        var example = catalog.Shapes is [var first, ..] ? first.Name : "name";
        throw map.Error($"\"{map.Excerpt}\" names no {catalog.Kind}; add name: …{(oneKey ? $", or write {{ {example}: … }}" : "")}");
    }

    /// <param name="catalog">Where the name is looked up.</param>
    /// <param name="at">The name as it is written, for its place.</param>
    /// <param name="name">The name.</param>
    /// <param name="options">A mapping of options, which may hold the name too, or the value of a shorthand.</param>
    /// <param name="path">The item's path.</param>
    /// <param name="holdsName">Whether the mapping is the one that names the item.</param>
    private CatalogItem Named(
        ICatalog catalog, ScalarNode at, string name, RecipeNode options, string path, bool holdsName = true)
    {
        var shapes = catalog.Shapes;
        var shape = shapes.FirstOrDefault(entry => entry.Name == name);
        if (shape is null)
        {
            var names = shapes.Select(entry => entry.Name).ToList();
            var hint = NearestNames.Hint(name, names);
            var end = (hint.Length > 0, names.Count) switch
            {
                (true, _) => hint,
                (_, 0) => "; none is registered",
                _ => $"; there are {List(names)}",
            };
            throw at.Error($"\"{at.Excerpt}\" is no {catalog.Kind}{end}");
        }

        var contract = OptionContract.Of(shape.OptionsType);
        var bound = Keys(contract, options, path, $"the {catalog.Kind} {name}", skipName: holdsName);
        var texts = new List<(string, RecipePosition)>();
        Collect(options, texts);
        return catalog.Bind(name, bound, at.Position, texts);
    }

    /// <summary>Keys and texts with their places, so that an error of the item's own can point at what it quotes.</summary>
    private static void Collect(RecipeNode node, List<(string Text, RecipePosition Position)> texts)
    {
        switch (node)
        {
            case ScalarNode scalar when scalar.Text.Any(char.IsLetter):
                texts.Add((scalar.Text, scalar.Position));
                break;
            case ListNode list:
                foreach (var item in list.Items) Collect(item, texts);
                break;
            case MapNode map:
                foreach (var (key, value) in map.Entries)
                {
                    if (key.Text == "name") continue;
                    texts.Add((key.Text, value.Position));
                    Collect(value, texts);
                }

                break;
        }
    }
}
