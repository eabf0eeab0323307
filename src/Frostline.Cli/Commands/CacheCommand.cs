using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.Staging;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline cache</c>: the feature stores on this machine, without libtorch.</summary>
internal static class CacheCommand
{
    private static readonly (string Suffix, double Factor)[] s_sizes =
        [("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1), ("", 1)];

    private static readonly (string Suffix, double Days)[] s_ages =
        [("m", 1.0 / 1440), ("h", 1.0 / 24), ("d", 1), ("w", 7)];

    public static Command Create(Terminal terminal, CancellationToken cancellation) =>
        new("cache", "Shows, checks and removes stored features of frozen networks.")
        {
            CreateList(terminal), CreateVerify(terminal, cancellation), CreatePrune(terminal),
        };

    private static Command CreateList(Terminal terminal)
    {
        var (location, json) = (Location(), CommonOptions.Json());
        var command = new Command("list", "Shows the stores: what they are of, how large, and when they were last used.")
        {
            location, json,
        };
        command.SetAction(result =>
        {
            var root = FeatureStoreLocation.Root(result.GetValue(location));
            WriteStores(terminal.Output, result.GetValue(json), root, FeatureStores.List(root), "stores");
            return ExitCodes.Success;
        });
        return command;
    }

    private static Command CreateVerify(Terminal terminal, CancellationToken cancellation)
    {
        var (location, json) = (Location(), CommonOptions.Json());
        var drop = new Option<bool>("--drop")
        {
            Description = "Erase damaged records. Without it they are only reported; nobody reads them either way.",
        };
        var command = new Command(
            "verify",
            $"Compares every record with its checksum. Exit code {ExitCodes.Success} where all are sound, {ExitCodes.Different} where not.")
        {
            drop, location, json,
        };
        command.SetAction(result =>
        {
            var root = FeatureStoreLocation.Root(result.GetValue(location));
            var stores = FeatureStores.Verify(root, result.GetValue(drop), cancellation);
            if (result.GetValue(json)) JsonOutput.Write(terminal.Output, writer => WriteJson(writer, root, stores));
            else WriteTable(terminal.Output, root, stores);
            return stores.All(store => store.IsSound) ? ExitCodes.Success : ExitCodes.Different;
        });
        return command;
    }

    private static Command CreatePrune(Terminal terminal)
    {
        var (location, json) = (Location(), CommonOptions.Json());
        var olderThan = new Option<string?>("--older-than")
        {
            Description = "Remove stores that were last used longer ago than this: 12h, 30d, 8w.",
            HelpName = "AGE",
        };
        var maximum = new Option<string?>("--max-size")
        {
            Description = "Remove the least recently used stores until the rest takes no more than this: 500MB, 10GB.",
            HelpName = "SIZE",
        };
        var command = new Command("prune", "Removes stores by age, by size, or both; never one that is in use.")
        {
            olderThan, maximum, location, json,
        };
        command.SetAction(result =>
        {
            TimeSpan? age = result.GetValue(olderThan) is { } days
                ? TimeSpan.FromDays(Parse("--older-than", days, s_ages, 3650, "an age such as 12h, 30d or 8w, up to 3650d"))
                : null;
            long? size = result.GetValue(maximum) is { } bytes
                ? (long)Parse("--max-size", bytes, s_sizes, 1e18, "a size such as 500MB or 10GB")
                : null;
            if (age is null && size is null)
                throw new FrostlineException("cache prune needs --older-than, --max-size or both; see frostline cache prune --help");
            var root = FeatureStoreLocation.Root(result.GetValue(location));
            WriteStores(terminal.Output, result.GetValue(json), root, FeatureStores.Prune(root, age, size), "removed");
            return ExitCodes.Success;
        });
        return command;
    }

    private static Option<string?> Location() => new("--location")
    {
        Description = $"The folder of the stores. Default: features in ${FeatureStoreLocation.Variable}, else in the user's cache folder.",
        HelpName = "DIR",
    };

    private static double Parse(string option, string text, (string Suffix, double Factor)[] units, double most, string expected)
    {
        foreach (var (suffix, factor) in units)
        {
            if (!text.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)) continue;
            if (double.TryParse(text[..^suffix.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number * factor <= most) return number * factor;
            break;
        }

        throw new FrostlineException($"{option} takes {expected}, not \"{text}\"");
    }

    private static void WriteStores(TextWriter output, bool json, string root, IReadOnlyList<FeatureStoreInfo> stores, string name)
    {
        if (json)
        {
            JsonOutput.Write(output, writer => WriteJson(writer, root, stores, name));
            return;
        }

        var table = new TextTable("store", "of", ">records", ">size", "last used", "remarks");
        foreach (var store in stores)
        {
            table.Add(
                store.Identity,
                string.Join(", ", Described(store).Select(pair => TensorTexts.Plain($"{pair.Key} {pair.Value}"))),
                Units.Count(store.Records),
                Units.Bytes(store.Bytes),
                store.LastUsed.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
                store.InUse ? "in use" : store.Problem ?? "");
        }

        table.Write(output);
        if (stores.Count > 0) output.Write('\n');
        var what = name == "removed" ? "removed from" : "in";
        output.Write($"{Stores(stores.Count)} {what} {root}, {Units.Bytes(stores.Sum(store => store.Bytes))}\n");
    }

    private static void WriteTable(TextWriter output, string root, IReadOnlyList<FeatureStoreVerification> stores)
    {
        var table = new TextTable("store", ">sound", ">damaged", ">dropped", "remarks");
        foreach (var store in stores)
        {
            table.Add(
                store.Identity, Units.Count(store.Records), Units.Count(store.Damaged), Units.Count(store.Dropped), store.Problem ?? "");
        }

        table.Write(output);
        if (stores.Count > 0) output.Write('\n');
        var bad = stores.Count(store => !store.IsSound);
        output.Write($"{Stores(stores.Count)} in {root}, {(bad == 0 ? "all sound" : $"{Units.Count(bad)} not sound")}\n");
    }

    private static IEnumerable<KeyValuePair<string, string>> Described(FeatureStoreInfo store) =>
        store.Description.OrderBy(pair => pair.Key, StringComparer.Ordinal);

    private static string Stores(int count) => count == 1 ? "1 store" : $"{Units.Count(count)} stores";

    private static void WriteJson(Utf8JsonWriter writer, string root, IReadOnlyList<FeatureStoreInfo> stores, string name)
    {
        writer.WriteStartObject();
        writer.WriteString("location", root);
        writer.WriteStartArray(name);
        foreach (var store in stores) WriteJson(writer, store);
        writer.WriteEndArray();
        writer.WriteNumber("bytes", stores.Sum(store => store.Bytes));
        writer.WriteEndObject();
    }

    private static void WriteJson(Utf8JsonWriter writer, FeatureStoreInfo store)
    {
        writer.WriteStartObject();
        writer.WriteString("identity", store.Identity);
        writer.WriteString("folder", store.Folder);
        writer.WriteStartObject("description");
        foreach (var (key, value) in Described(store)) writer.WriteString(key, value);
        writer.WriteEndObject();
        writer.WriteStartArray("tensors");
        foreach (var tensor in store.Schema?.Tensors ?? [])
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Name);
            TensorTexts.WriteTo(writer, tensor);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("records", store.Records);
        writer.WriteNumber("bytes", store.Bytes);
        writer.WriteString("lastUsed", store.LastUsed);
        writer.WriteBoolean("inUse", store.InUse);
        writer.WriteString("problem", store.Problem);
        writer.WriteEndObject();
    }

    private static void WriteJson(Utf8JsonWriter writer, string root, IReadOnlyList<FeatureStoreVerification> stores)
    {
        writer.WriteStartObject();
        writer.WriteString("location", root);
        writer.WriteStartArray("stores");
        foreach (var store in stores)
        {
            writer.WriteStartObject();
            writer.WriteString("identity", store.Identity);
            writer.WriteString("folder", store.Folder);
            writer.WriteBoolean("sound", store.IsSound);
            writer.WriteNumber("records", store.Records);
            writer.WriteNumber("damaged", store.Damaged);
            writer.WriteNumber("dropped", store.Dropped);
            writer.WriteString("problem", store.Problem);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
