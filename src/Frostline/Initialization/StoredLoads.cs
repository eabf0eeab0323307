using System.Text.Json.Nodes;

namespace Frostline.Initialization;

/// <summary>
/// Reports as model files held them before each load listed its tensors: a load was a number of loaded tensors, names of missing
/// ones and keys of unexpected ones, and skipped ones with a reason.
/// </summary>
internal static class StoredLoads
{
    /// <summary>
    /// Gives every load of a report, and of those that it contains, its list of tensors, as far as the report tells. What is no such
    /// report is left as it is; reading it says what is wrong.
    /// </summary>
    public static void Upgrade(JsonNode? report)
    {
        var open = new Stack<JsonObject>();
        if (report is JsonObject root) open.Push(root);
        while (open.TryPop(out var next))
        {
            if (next["tensors"] is not JsonArray tensors || next["loads"] is not JsonArray loads) continue;
            foreach (var load in loads.OfType<JsonObject>())
            {
                if (load["parent"] is JsonObject parent) open.Push(parent);
                if (!load.ContainsKey("tensors") && load["loaded"] is JsonValue) load["tensors"] = TensorsOf(load, [.. tensors.OfType<JsonObject>()]);
            }
        }
    }

    private static JsonArray TensorsOf(JsonObject load, List<JsonObject> network)
    {
        var result = new JsonArray();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in network)
        {
            var origin = tensor["origin"] as JsonObject;
            // A norm that was calibrated since has its first origin inside.
            if (Text(origin, "kind") == "calibrated") origin = origin!["before"] as JsonObject;
            else if (Text(tensor, "rule") != Text(load, "rule")) continue;
            if (Text(origin, "kind") != "loaded" || Text(origin, "hash") != Text(load, "hash") || !keys.Add(Text(origin, "key") ?? "")) continue;
            result.Add(Entry(LoadOutcome.Loaded, Text(origin, "key"), Text(tensor, "name"), tensor, Text(origin, "castFrom") ?? Text(tensor, "type")));
        }

        foreach (var name in Texts(load, "missing")) result.Add(Entry(LoadOutcome.Missing, null, name, Find(name)));
        foreach (var key in Texts(load, "unexpected")) result.Add(Entry(LoadOutcome.Unexpected, key, null, null));
        foreach (var skip in (load["skipped"] as JsonArray ?? []).OfType<JsonObject>())
            result.Add(Entry(LoadOutcome.Skipped, Text(skip, "key"), Text(skip, "name"), Find(Text(skip, "name")), detail: Text(skip, "reason")));
        return result;

        JsonObject? Find(string? name) => network.Find(tensor => Text(tensor, "name") == name);
    }

    private static JsonObject Entry(
        LoadOutcome outcome, string? key, string? name, JsonObject? network, string? fileType = null, string? detail = null)
    {
        var entry = new JsonObject { ["outcome"] = outcome.ToString().ToLowerInvariant(), ["key"] = key, ["name"] = name, ["detail"] = detail };
        if (network is null) return entry;
        entry["networkType"] = network["type"]?.DeepClone();
        entry["networkShape"] = network["shape"]?.DeepClone();
        // Nothing was loaded from another shape then.
        if (fileType is null) return entry;
        entry["fileType"] = fileType;
        entry["fileShape"] = network["shape"]?.DeepClone();
        return entry;
    }

    private static string? Text(JsonObject? node, string key) => node?[key] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static IEnumerable<string> Texts(JsonObject node, string key) =>
        (node[key] as JsonArray ?? []).OfType<JsonValue>().Select(value => value.TryGetValue<string>(out var text) ? text : "");
}
