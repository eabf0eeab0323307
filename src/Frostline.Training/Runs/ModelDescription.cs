using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Frostline.Checkpoints;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Runs;

/// <summary>
/// What a model file says of itself besides its values, so that it can be used without the recipe: the network with its options, the
/// classes in the order of its outputs, and how a sample becomes its input. It holds no time and no path.
/// </summary>
/// <param name="Model">The network.</param>
/// <param name="Classes">The classes; null where the data had none.</param>
/// <param name="Transform">How a sample becomes the network's input, in order.</param>
public sealed record ModelDescription(
    CatalogItem<torch.nn.Module> Model, ClassMap? Classes, IReadOnlyList<CatalogItem<ITransform>> Transform)
{
    /// <summary>The metadata key of the version of these entries.</summary>
    public const string VersionKey = "frostline.version";

    /// <summary>The metadata key of the network: its name and all its options, as JSON.</summary>
    public const string ModelKey = "frostline.model";

    /// <summary>The metadata key of the classes: <c>{"names": […], "multiLabel": false}</c>; absent where there are none.</summary>
    public const string ClassesKey = "frostline.classes";

    /// <summary>The metadata key of the preprocessing: a list of transforms with all their options, as JSON.</summary>
    public const string TransformKey = "frostline.transform";

    private const string Version = "1";

    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The description as text entries for a model file.</summary>
    public IReadOnlyDictionary<string, string> ToMetadata()
    {
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            [VersionKey] = Version,
            [ModelKey] = ItemJson.Write(Model).ToJsonString(s_json),
            [TransformKey] = new JsonArray([.. Transform.Select(ItemJson.Write)]).ToJsonString(s_json),
        };
        if (Classes is not null)
        {
            entries[ClassesKey] = new JsonObject
            {
                ["names"] = new JsonArray([.. Classes.Names.Select(name => (JsonNode)name)]),
                ["multiLabel"] = Classes.MultiLabel,
            }.ToJsonString(s_json);
        }

        return entries;
    }

    /// <summary>Reads the description that a model file carries.</summary>
    /// <param name="file">The open model file.</param>
    /// <param name="registry">The networks and transforms that there are.</param>
    /// <exception cref="FrostlineException">
    /// The file carries none, it is of a later version, or it names something that is not registered.
    /// </exception>
    public static ModelDescription Of(Checkpoint file, Registry registry)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(registry);
        if (!file.Metadata.TryGetValue(ModelKey, out var model))
            throw new FrostlineException($"{file.Source} does not say which network it holds; give a model file that frostline train wrote");
        var version = file.Metadata.GetValueOrDefault(VersionKey, Version);
        if (version != Version)
            throw new FrostlineException($"{file.Source} is a model file of version {version}, and this Frostline reads {Version}; use a newer Frostline");
        return new ModelDescription(
            ItemJson.Read<torch.nn.Module>(model, $"{file.Source}, {ModelKey}", registry),
            file.Metadata.TryGetValue(ClassesKey, out var classes) ? ReadClasses(classes, file.Source) : null,
            file.Metadata.TryGetValue(TransformKey, out var transform) ? ReadTransform(transform, file.Source, registry) : []);
    }

    private static ClassMap ReadClasses(string json, string source) => Parse(json, $"{source}, {ClassesKey}", node =>
        new ClassMap([.. node["names"]!.AsArray().Select(name => name!.GetValue<string>())], node["multiLabel"]?.GetValue<bool>() ?? false));

    private static IReadOnlyList<CatalogItem<ITransform>> ReadTransform(string json, string source, Registry registry) =>
        Parse(json, $"{source}, {TransformKey}", IReadOnlyList<CatalogItem<ITransform>> (node) =>
            [.. node.AsArray().Select(item => ItemJson.Read<ITransform>(item!.ToJsonString(), $"{source}, {TransformKey}", registry))]);

    private static T Parse<T>(string json, string where, Func<JsonNode, T> read)
    {
        try
        {
            return read(JsonNode.Parse(json)!);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException)
        {
            throw new FrostlineException($"{where} cannot be read: {error.Message}", error);
        }
    }
}
