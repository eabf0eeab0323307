using System.Collections;
using System.Globalization;
using System.Text.Json.Nodes;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>
/// Writes what a recipe names as JSON, and reads it back. Every option is written, also one that has its default, so that a later
/// version with other defaults reads the same thing.
/// </summary>
internal static class ItemJson
{
    /// <summary>An item with its options: <c>{"name": "resize", "size": 256}</c>.</summary>
    public static JsonObject Write(CatalogItem item)
    {
        var json = new JsonObject { ["name"] = item.Name };
        WriteKeys(item.Options, json);
        return json;
    }

    /// <summary>Reads an item.</summary>
    /// <param name="json">What <see cref="Write"/> wrote, as text.</param>
    /// <param name="source">What messages call the text.</param>
    /// <param name="registry">What can be named.</param>
    /// <exception cref="RecipeException">It is no such text, or names something that is not registered.</exception>
    public static CatalogItem<T> Read<T>(string json, string source, Registry registry) =>
        (CatalogItem<T>)new RecipeBinder(registry).Item(typeof(T), RecipeText.ReadValue(json, new RecipePosition(source, 0, 0)));

    private static void WriteKeys(object options, JsonObject json)
    {
        foreach (var key in OptionContract.Of(options.GetType()).Keys)
        {
            if (key.Property.GetValue(options) is { } value) json[key.Name] = Value(key, value);
        }
    }

    private static JsonNode Value(OptionKey key, object value)
    {
        switch (value)
        {
            case string text:
                return JsonValue.Create(text);
            case bool flag:
                return JsonValue.Create(flag);
            case int or long:
                return JsonValue.Create(Convert.ToInt64(value, CultureInfo.InvariantCulture));
            case double number:
                return key.IsMultiplier ? string.Create(CultureInfo.InvariantCulture, $"{number:R}x") : JsonValue.Create(number);
            case float number:
                return JsonValue.Create(number);
            case Enum member:
                return JsonValue.Create(OptionKey.Kebab(member.ToString()));
            case CatalogItem item:
                return Write(item);
            case IDictionary entries:
                var map = new JsonObject();
                foreach (DictionaryEntry entry in entries) map[(string)entry.Key] = Value(key, entry.Value!);
                return map;
            case IEnumerable items:
                return new JsonArray([.. items.Cast<object>().Select(item => Value(key, item))]);
            default:
                var nested = new JsonObject();
                WriteKeys(value, nested);
                return nested;
        }
    }
}
