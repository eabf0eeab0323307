using System.Collections;
using System.Globalization;
using Frostline.Training.Registration;
using Given = System.Collections.Generic.Dictionary<
    Frostline.Training.Recipes.OptionKey, (object? Value, Frostline.Training.Recipes.RecipePosition Position)>;

namespace Frostline.Training.Recipes;

/// <summary>Gives a recipe's nodes their C# types. The first error in the file's order ends it.</summary>
internal sealed partial class RecipeBinder(Registry registry, string whole = "the recipe")
{
    private readonly Dictionary<string, RecipePosition> _positions = new(StringComparer.Ordinal);

    /// <summary>Where each value that was read stands, by its path: <c>initialize[0].load</c>.</summary>
    public IReadOnlyDictionary<string, RecipePosition> Positions => _positions;

    /// <summary>Binds an object.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="node">What is written.</param>
    /// <param name="path">Its path; empty for the recipe itself.</param>
    /// <exception cref="RecipeException">Something in it is wrong.</exception>
    public object Object(Type type, RecipeNode node, string path)
    {
        var contract = OptionContract.KindsOf(type) is { } kinds ? Kind(kinds, node, path) : OptionContract.Of(type);
        return Keys(contract, node, path, NameOf(path), skipName: false);
    }

    private object Keys(OptionContract contract, RecipeNode node, string path, string owner, bool skipName)
    {
        var values = new Given();
        if (node is MapNode map)
        {
            if (map.Bare is { } bare && !skipName) Shorthand(contract, bare, path, owner, values);
            foreach (var entry in map.Entries)
            {
                if (skipName && entry.Key.Text == "name") continue;
                var key = contract.Find(entry.Key.Text) ?? throw UnknownKey(contract, entry.Key, owner);
                values[key] = (Key(key, entry.Value, Join(path, key.Name)), entry.Key.Position);
            }
        }
        else
        {
            Shorthand(contract, node, path, owner, values);
        }

        return Create(contract, values, node.Position, owner);
    }

    private void Shorthand(
        OptionContract contract, RecipeNode bare, string path, string owner, Given values)
    {
        var key = contract.ShorthandFor(bare);
        if (key is null)
        {
            var wanted = contract.Keys.Count == 0 ? "it has no keys" : $"write keys below it: {List(contract.Keys.Select(k => k.Name))}";
            var found = bare.IsNull ? $"{owner} has no value" : $"\"{bare.Excerpt}\" is a bare value of {owner}";
            throw bare.Error($"{found}; {wanted}");
        }

        values[key] = (Key(key, bare, path), bare.Position);
    }

    private object Create(
        OptionContract contract, Given values, RecipePosition position, string owner)
    {
        var instance = Activator.CreateInstance(contract.Type)!;
        foreach (var key in contract.Keys)
        {
            if (values.TryGetValue(key, out var given)) key.Property.SetValue(instance, given.Value);
            else if (key.IsRequired) throw Lacks(key, position, owner);
            else FillDefaultItems(instance, key, position);
        }

        if (instance is ICheckedOptions { } options && options.Check() is { } problem)
        {
            var key = contract.Keys.FirstOrDefault(k => k.Property.Name == problem.Property);
            var at = key is not null && values.TryGetValue(key, out var given) ? given.Position : position;
            throw new RecipeException(at, $"\"{key?.Name ?? owner}\": {problem.Message}");
        }

        return instance;
    }

    /// <summary>Names the entries that absent keys stand for, also in settings that are absent as a whole.</summary>
    private void FillDefaultItems(object instance, OptionKey key, RecipePosition position)
    {
        if (key.DefaultItem is { } name)
        {
            var catalog = CatalogOf(ValueTypes.ThingOf(key.Type)!);
            var text = new ScalarNode(position, name, quoted: true);
            key.Property.SetValue(instance, Named(catalog, text, name, new MapNode(position), ""));
        }
        else if (ValueTypes.IsObject(key.Type) && key.Property.GetValue(instance) is { } inner)
        {
            foreach (var below in OptionContract.Of(key.Type).Keys) FillDefaultItems(inner, below, position);
        }
    }

    private object? Key(OptionKey key, RecipeNode node, string path)
    {
        _positions[path] = node.Position;
        if (node.IsNull && key.IsNullable) return null;
        if (node.IsNull) throw node.Error($"\"{key.Name}\" has no value; give it one, or remove the key");
        return Value(key, key.Type, node, path);
    }

    private object Value(OptionKey key, Type type, RecipeNode node, string path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (ValueTypes.ThingOf(type) is { } thing) return Item(CatalogOf(thing), node, path, key.DefaultItem, oneKey: false);
        if (ValueTypes.ItemOf(type) is { } item) return Items(key, type, item, node, path);
        if (ValueTypes.MappedOf(type) is { } mapped) return Mapped(key, mapped, node, path);
        if (ValueTypes.IsScalar(type)) return Scalar(key, type, node);
        return Object(type, node, path);
    }

    private IList Items(OptionKey key, Type type, Type item, RecipeNode node, string path)
    {
        if (node is not ListNode list) throw node.Error($"\"{node.Excerpt}\" is not a list; {key.Name} wants one: [ … ]");
        if (list.Items.Count < key.FewestItems)
            throw node.Error($"\"{key.Name}\" has {list.Items.Count} items; the least is {key.FewestItems}");
        var array = Array.CreateInstance(item, list.Items.Count);
        for (var i = 0; i < array.Length; i++)
        {
            var value = list.Items[i];
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]");
            _positions[at] = value.Position;
            if (value.IsNull) throw value.Error($"an item of {key.Name} has no value; give it one, or remove it");
            var bound = ValueTypes.ThingOf(item) is { } thing
                ? Item(CatalogOf(thing), value, at, null, oneKey: true)
                : Value(key, item, value, at);
            array.SetValue(bound, i);
        }

        return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>)
            ? (IList)Activator.CreateInstance(type, array)!
            : array;
    }

    private object Mapped(OptionKey key, Type mapped, RecipeNode node, string path)
    {
        if (node is not MapNode map)
            throw node.Error($"\"{node.Excerpt}\" is not a mapping; {key.Name} wants one: {{ key: value }}");
        var result = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(typeof(string), mapped))!;
        foreach (var entry in map.Entries)
        {
            var at = Join(path, entry.Key.Text);
            _positions[at] = entry.Value.Position;
            if (entry.Value.IsNull)
                throw entry.Value.Error($"\"{entry.Key.Excerpt}\" has no value; give it one, or remove the key");
            result[entry.Key.Text] = Value(key, mapped, entry.Value, at);
        }

        return result;
    }

    private OptionContract Kind(IReadOnlyList<OptionContract> kinds, RecipeNode node, string path)
    {
        var leading = kinds.Select(kind => kind.Leading!.Name).ToList();
        if (node is not MapNode map)
            throw node.Error($"\"{node.Excerpt}\" is not a rule; a rule starts with {List(leading, "or")}");
        var found = map.Entries.Where(entry => leading.Contains(entry.Key.Text)).ToList();
        if (found.Count == 1) return kinds.Single(kind => kind.Leading!.Name == found[0].Key.Text);
        if (found.Count > 1)
        {
            var (second, other) = (found[1].Key, found[0].Key);
            throw second.Error($"\"{second.Text}\" and \"{other.Text}\" are two rules; write each as its own item of {NameOf(path)}");
        }

        var first = map.Entries.FirstOrDefault()?.Key;
        var hint = first is null ? "" : NearestNames.Hint(first.Text, leading);
        var allowed = hint.Length > 0 ? hint : $"; a rule starts with {List(leading, "or")}";
        var at = (RecipeNode?)first ?? node;
        throw at.Error($"\"{at.Excerpt}\" starts no rule of {NameOf(path)}{allowed}");
    }

    private static RecipeException Lacks(OptionKey key, RecipePosition position, string owner) =>
        new(position, $"{owner} lacks the key \"{key.Name}\"; add {key.Name}:");

    private static RecipeException UnknownKey(OptionContract contract, ScalarNode key, string owner)
    {
        var names = contract.Keys.Select(k => k.Name).ToList();
        var hint = NearestNames.Hint(key.Text, names);
        var end = (hint.Length > 0, names.Count) switch
        {
            (true, _) => hint,
            (_, 0) => "; it has none",
            _ => $"; its keys are {List(names)}",
        };
        return key.Error($"\"{key.Excerpt}\" is no key of {owner}{end}");
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    private string NameOf(string path) => path.Length == 0 ? whole : path;

    private static string List(IEnumerable<string> names, string conjunction = "and")
    {
        var all = names.ToList();
        return all.Count < 2 ? string.Concat(all) : $"{string.Join(", ", all.Take(all.Count - 1))} {conjunction} {all[^1]}";
    }
}
