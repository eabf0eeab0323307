using System.Collections.Frozen;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Frostline.Checkpoints;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// What a model file says of itself beside its tensors: which network it is, what its outputs mean, and how a sample becomes its
/// input. With the provenance (<see cref="Initialization.ModelFile.ProvenanceKey"/>) it makes a model file usable without its
/// recipe.
/// </summary>
/// <param name="Version">The version of Frostline that wrote it.</param>
/// <param name="Model">The network and its options.</param>
/// <param name="Classes">The classes in the order of the outputs; null where there are none.</param>
/// <param name="Transform">How a sample becomes the network's input, in order.</param>
public sealed record ModelDescription(
    string Version, CatalogItem<torch.nn.Module> Model, ClassMap? Classes, IReadOnlyList<CatalogItem<ITransform>> Transform)
{
    /// <summary>What else the training data said of itself (<see cref="IDataset.Facts"/>), by name; default nothing.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>The metadata key of the format of these entries; this version of Frostline writes 1.</summary>
    public const string FormatKey = "frostline.format";

    /// <summary>The metadata key of the version of Frostline.</summary>
    public const string VersionKey = "frostline.version";

    /// <summary>The metadata key of the network: <c>{"name": …, options}</c>.</summary>
    public const string ModelKey = "frostline.model";

    /// <summary>The metadata key of the classes: <c>{"names": […], "multiLabel": …}</c>.</summary>
    public const string ClassesKey = "frostline.classes";

    /// <summary>The metadata key of what else the training data said of itself: <c>{"name": "text", …}</c>.</summary>
    public const string FactsKey = "frostline.facts";

    /// <summary>The metadata key of the preprocessing: a list of <c>{"name": …, options}</c>.</summary>
    public const string TransformKey = "frostline.transform";

    /// <summary>The version of this Frostline.</summary>
    public static string CurrentVersion { get; } =
        typeof(ModelDescription).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?
            .InformationalVersion.Split('+')[0] ?? "0";

    /// <summary>What a model that a recipe trains says of itself.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="classes">The classes of its data.</param>
    /// <param name="facts">What else its data says of itself; null for nothing.</param>
    public static ModelDescription Of(Recipe recipe, ClassMap? classes, IReadOnlyDictionary<string, string>? facts = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        return new ModelDescription(CurrentVersion, recipe.Model, classes, recipe.Data.Transform)
        {
            Facts = facts ?? FrozenDictionary<string, string>.Empty,
        };
    }

    /// <summary>Reads the description of a model file.</summary>
    /// <param name="checkpoint">The file.</param>
    /// <param name="registry">What it can name.</param>
    /// <returns>The description; null where the file has none, for example one of PyTorch's.</returns>
    /// <exception cref="FrostlineException">There is one that cannot be read, or that names what the registry lacks.</exception>
    public static ModelDescription? Read(Checkpoint checkpoint, Registry registry)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(registry);
        var metadata = checkpoint.Metadata;
        if (!metadata.TryGetValue(ModelKey, out var model)) return null;
        if (metadata.TryGetValue(FormatKey, out var format) && format != "1")
            throw new FrostlineException(
                $"{checkpoint.Source} describes its model in format {format}; this version of Frostline reads 1");
        return new ModelDescription(
            metadata.GetValueOrDefault(VersionKey, "unknown"),
            ItemJson.Read<torch.nn.Module>(model, $"{checkpoint.Source}, {ModelKey}", registry),
            metadata.TryGetValue(ClassesKey, out var classes) ? ReadClasses(classes, $"{checkpoint.Source}, {ClassesKey}") : null,
            metadata.TryGetValue(TransformKey, out var transform)
                ? ReadTransform(transform, $"{checkpoint.Source}, {TransformKey}", registry)
                : [])
        {
            Facts = metadata.TryGetValue(FactsKey, out var facts) ? ReadFacts(facts, $"{checkpoint.Source}, {FactsKey}") : FrozenDictionary<string, string>.Empty,
        };
    }

    /// <summary>The description as text entries for a model file.</summary>
    public IReadOnlyDictionary<string, string> ToMetadata()
    {
        var metadata = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            [FormatKey] = "1",
            [VersionKey] = Version,
            [ModelKey] = ItemJson.Write(Model).ToJsonString(RunJson.Line),
            [TransformKey] = new JsonArray([.. Transform.Select(ItemJson.Write)]).ToJsonString(RunJson.Line),
        };
        if (Facts.Count > 0) metadata[FactsKey] = JsonSerializer.Serialize(new SortedDictionary<string, string>(Facts.ToDictionary(), StringComparer.Ordinal), RunJson.Line);
        if (Classes is not null) metadata[ClassesKey] = JsonSerializer.Serialize(Classes, RunJson.Line);
        return metadata;
    }

    private static ClassMap ReadClasses(string json, string where) => Parse(where, () =>
        JsonSerializer.Deserialize<ClassMap>(json, RunJson.Line) is { Names: not null } classes
            ? classes
            : throw new JsonException("the names are missing"));

    private static Dictionary<string, string> ReadFacts(string json, string where) => Parse(where, () =>
        JsonSerializer.Deserialize<Dictionary<string, string>>(json, RunJson.Line) ?? throw new JsonException("there is no object"));

    private static List<CatalogItem<ITransform>> ReadTransform(string json, string where, Registry registry) => Parse(where, () =>
        JsonNode.Parse(json)!.AsArray()
            .Select(item => ItemJson.Read<ITransform>(item!.ToJsonString(), where, registry))
            .ToList());

    private static T Parse<T>(string where, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException)
        {
            throw new FrostlineException($"{where} cannot be read: {error.Message}", error);
        }
    }
}
