using System.Globalization;
using System.Text.Json.Nodes;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>Builds the schema from the same contracts by which recipes are read.</summary>
internal sealed class RecipeSchemaBuilder(Registry registry)
{
    private const string PercentPattern = @"^[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?%$";
    private const string MultiplierPattern = @"^[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?x$";

    private readonly SortedDictionary<string, JsonObject> _definitions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, object> _owners = new(StringComparer.Ordinal);

    /// <summary>The schema of a whole recipe.</summary>
    public JsonObject Root()
    {
        var root = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "Frostline recipe",
        };
        foreach (var (name, value) in Object(OptionContract.Of(typeof(Recipe)), description: XmlDocumentation.Of(typeof(Recipe))))
            root[name] = value?.DeepClone();
        root["$defs"] = new JsonObject(_definitions.Select(pair => KeyValuePair.Create<string, JsonNode?>(pair.Key, pair.Value)));
        return root;
    }

    private JsonObject Object(
        OptionContract contract, JsonObject? name = null, string? description = null, bool nameRequired = true)
    {
        var schema = new JsonObject { ["type"] = "object" };
        if (description is not null) schema["description"] = description;
        var properties = new JsonObject();
        var required = new JsonArray();
        if (name is not null)
        {
            properties["name"] = name;
            if (nameRequired) required.Add("name");
        }

        foreach (var key in contract.Keys)
        {
            properties[key.Name] = Key(key);
            if (key.IsRequired) required.Add(key.Name);
        }

        schema["properties"] = properties;
        if (required.Count > 0) schema["required"] = required;
        schema["additionalProperties"] = false;
        return schema;
    }

    private JsonObject Key(OptionKey key)
    {
        var schema = Value(key, key.Type);
        if (XmlDocumentation.Of(key.Property) is { } description) schema["description"] = description;
        if (DefaultOf(key) is { } value) schema["default"] = value;
        return schema;
    }

    private static JsonNode? DefaultOf(OptionKey key)
    {
        if (key.DefaultItem is not null) return key.DefaultItem;
        if (key.IsRequired || key.Default is null) return null;
        return Json(RecipeWriter.ToNode(key, key.Default));
    }

    /// <summary>A default as JSON; null where it is a mapping, whose own keys have their defaults.</summary>
    private static JsonNode? Json(RecipeNode node) => node switch
    {
        ScalarNode { Quoted: true } text => text.Text,
        ScalarNode { Text: "true" } => true,
        ScalarNode { Text: "false" } => false,
        ScalarNode number when long.TryParse(number.Text, CultureInfo.InvariantCulture, out var whole) => whole,
        ScalarNode number when double.TryParse(number.Text, CultureInfo.InvariantCulture, out var real) => real,
        ScalarNode word => word.Text,
        ListNode list when list.Items.All(item => item is ScalarNode) => new JsonArray([.. list.Items.Select(Json)]),
        _ => null,
    };

    private JsonObject Value(OptionKey key, Type type, bool inList = false)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (ValueTypes.ThingOf(type) is { } thing) return Item(registry.Find(thing)!, key.DefaultItem, inList);
        if (ValueTypes.ItemOf(type) is { } item)
        {
            var list = new JsonObject { ["type"] = "array", ["items"] = Value(key, item, inList: true) };
            if (key.FewestItems > 0) list["minItems"] = key.FewestItems;
            return list;
        }

        if (ValueTypes.MappedOf(type) is { } mapped)
            return new JsonObject { ["type"] = "object", ["additionalProperties"] = Value(key, mapped) };
        if (type == typeof(string)) return new JsonObject { ["type"] = "string" };
        if (type == typeof(bool)) return new JsonObject { ["enum"] = new JsonArray(true, false, "on", "off") };
        if (type.IsEnum) return EnumOf(type);
        return ValueTypes.IsScalar(type) ? Number(key, type) : Reference(type);
    }

    private static JsonObject EnumOf(Type type)
    {
        var values = new JsonArray();
        foreach (var name in Enum.GetNames(type))
            values.Add(Named(OptionKey.Kebab(name), XmlDocumentation.Of(type.GetField(name)!)));
        return new JsonObject { ["anyOf"] = values };
    }

    private static JsonObject Named(string name, string? description)
    {
        // An enum of one value, not a const: more validators know it.
        var schema = new JsonObject { ["enum"] = new JsonArray(name) };
        if (description is not null) schema["description"] = description;
        return schema;
    }

    private static JsonObject Number(OptionKey key, Type type)
    {
        if (key.IsMultiplier) return new JsonObject { ["type"] = "string", ["pattern"] = MultiplierPattern };
        var schema = new JsonObject { ["type"] = ValueTypes.IsWhole(type) ? "integer" : "number" };
        if (key.Range is { } range)
        {
            var (least, most) = (Bound(range.Minimum), Bound(range.Maximum));
            if (least is not null && least.ToJsonString() == most?.ToJsonString())
                return new JsonObject { ["enum"] = new JsonArray(least) };
            if (least is not null) schema[range.MinimumIsExclusive ? "exclusiveMinimum" : "minimum"] = least;
            if (most is not null) schema[range.MaximumIsExclusive ? "exclusiveMaximum" : "maximum"] = most;
        }

        if (!key.IsPercentage) return schema;
        var percent = new JsonObject { ["type"] = "string", ["pattern"] = PercentPattern };
        return new JsonObject { ["anyOf"] = new JsonArray(schema, percent) };
    }

    private static JsonValue? Bound(object bound)
    {
        var number = Convert.ToDouble(bound, CultureInfo.InvariantCulture);
        if (Math.Abs(number) >= int.MaxValue) return null;
        return number == Math.Floor(number) ? JsonValue.Create((long)number) : JsonValue.Create(number);
    }

    /// <summary>A reference to the definition of a class, which is made when it is first asked for.</summary>
    private JsonObject Reference(Type type) => Define(type, OptionKey.Kebab(type.Name), () =>
    {
        var description = XmlDocumentation.Of(type);
        if (OptionContract.KindsOf(type) is { } kinds)
        {
            var rules = new JsonObject();
            if (description is not null) rules["description"] = description;
            rules["anyOf"] = new JsonArray([.. kinds.Select(kind => Object(kind, description: XmlDocumentation.Of(kind.Type)))]);
            return rules;
        }

        var contract = OptionContract.Of(type);
        var schema = Object(contract, description: description);
        if (!contract.Keys.Any(key => key.IsShorthand)) return schema;
        return new JsonObject { ["anyOf"] = new JsonArray([.. Shorthands(contract), schema]) };
    });

    private IEnumerable<JsonNode> Shorthands(OptionContract contract) => contract.Keys.Where(key => key.IsShorthand).Select(Key);

    /// <summary>
    /// A thing that a catalogue names: a bare name, a mapping with the name, or in lists the name as the only key.
    /// </summary>
    private JsonObject Item(ICatalog catalog, string? fallback, bool inList)
    {
        var kind = catalog.Kind.Replace(' ', '-');
        var single = Define(catalog, kind, () => ItemSchema(catalog));
        if (inList)
        {
            JsonObject Either() => new() { ["anyOf"] = new JsonArray(single, SingleKey(catalog)) };
            return Define((catalog, "list"), $"{kind}-in-list", Either);
        }

        if (fallback is null || catalog.Shapes.FirstOrDefault(shape => shape.Name == fallback) is not { } shape) return single;
        // Options without a name belong to the default.
        var unnamed = Object(OptionContract.Of(shape.OptionsType), Named(shape.Name, shape.Summary), nameRequired: false);
        return new JsonObject { ["anyOf"] = new JsonArray(single, unnamed) };
    }

    private JsonObject ItemSchema(ICatalog catalog)
    {
        var choices = new JsonArray();
        var bare = catalog.Shapes.Where(shape => !OptionContract.Of(shape.OptionsType).Keys.Any(key => key.IsRequired)).ToList();
        if (bare.Count > 0) choices.Add(Names(bare));
        foreach (var group in catalog.Shapes.GroupBy(shape => shape.OptionsType))
            choices.Add(Object(OptionContract.Of(group.Key), Names([.. group])));
        return new JsonObject { ["description"] = $"A {catalog.Kind}.", ["anyOf"] = choices };
    }

    private JsonObject SingleKey(ICatalog catalog)
    {
        var properties = new JsonObject();
        foreach (var shape in catalog.Shapes)
        {
            var contract = OptionContract.Of(shape.OptionsType);
            var options = Object(contract);
            var forms = new JsonArray([.. Shorthands(contract), options]);
            if (!contract.Keys.Any(key => key.IsRequired)) forms.Add(new JsonObject { ["type"] = "null" });
            properties[shape.Name] = new JsonObject { ["description"] = shape.Summary, ["anyOf"] = forms };
        }

        return new JsonObject
        {
            ["type"] = "object",
            ["properties"] = properties,
            ["minProperties"] = 1,
            ["maxProperties"] = 1,
            ["additionalProperties"] = false,
        };
    }

    private static JsonObject Names(List<CatalogItemShape> shapes) => shapes.Count == 1
        ? Named(shapes[0].Name, shapes[0].Summary)
        : new JsonObject { ["anyOf"] = new JsonArray([.. shapes.Select(shape => Named(shape.Name, shape.Summary))]) };

    private JsonObject Define(object owner, string name, Func<JsonObject> make)
    {
        // Two classes of one name are told apart by their place in the order of definition.
        var unique = name;
        for (var i = 2; _owners.TryGetValue(unique, out var other) && !other.Equals(owner); i++)
            unique = string.Create(CultureInfo.InvariantCulture, $"{name}-{i}");
        if (_owners.TryAdd(unique, owner)) _definitions[unique] = make();
        return new JsonObject { ["$ref"] = $"#/$defs/{unique}" };
    }
}
