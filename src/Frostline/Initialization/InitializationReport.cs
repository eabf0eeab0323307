using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Frostline.Initialization;

/// <summary>
/// Where every parameter and buffer of a network got its first value. It holds names, file names, hashes and numbers only: no
/// time, no folder, so equal initialisations give equal reports. It is stored in model files, and a report of a network that
/// was loaded from such a file contains that file's report, and so on through all generations.
/// </summary>
public sealed class InitializationReport
{
    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        MaxDepth = 1024,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    private readonly Dictionary<string, TensorProvenance> _byName;

    /// <summary>Creates a report.</summary>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="tensors">One entry for each parameter and buffer, in the network's order.</param>
    /// <param name="loads">What each <c>Load</c> rule did, in the plan's order.</param>
    /// <exception cref="ArgumentException">Two entries have one name.</exception>
    [JsonConstructor]
    public InitializationReport(long seed, IReadOnlyList<TensorProvenance> tensors, IReadOnlyList<LoadReport> loads)
    {
        Seed = seed;
        Tensors = tensors ?? throw new ArgumentNullException(nameof(tensors));
        Loads = loads ?? throw new ArgumentNullException(nameof(loads));
        _byName = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>The seed of all draws.</summary>
    public long Seed { get; }

    /// <summary>One entry for each parameter and buffer, in the network's order.</summary>
    public IReadOnlyList<TensorProvenance> Tensors { get; }

    /// <summary>What each <c>Load</c> rule did, in the plan's order.</summary>
    public IReadOnlyList<LoadReport> Loads { get; }

    /// <summary>The tensors that were read from a checkpoint.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Loaded => Having<Origin.Loaded>();

    /// <summary>The tensors that an initializer filled.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Drawn => Having<Origin.Drawn>();

    /// <summary>The tensors that are as the network was constructed.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Kept => Having<Origin.Kept>();

    /// <summary>The tensors that were set to one value.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Set => Having<Origin.Set>();

    /// <summary>The tensors that were copied from another one.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Copied => Having<Origin.Copied>();

    /// <summary>The norm statistics that were estimated anew.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Calibrated => Having<Origin.Calibrated>();

    /// <summary>The loaded tensors whose element type had to be cast.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorProvenance> Cast => [.. Loaded.Where(
        tensor => ((Origin.Loaded)tensor.Origin).CastFrom is not null)];

    /// <summary>Names that a <c>Load</c> rule was to fill and its checkpoint lacks.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Missing =>
        [.. Loads.SelectMany(load => load.Missing).Select(tensor => tensor.Name!).Distinct(StringComparer.Ordinal)];

    /// <summary>Keys of checkpoints that name nothing in the network.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Unexpected => [.. Loads.SelectMany(load => load.Unexpected).Select(tensor => tensor.Key!)];

    /// <summary>Tensors that a checkpoint and the network have and that were not loaded, each with the reason.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Skipped => [.. Loads.SelectMany(load => load.Skipped)];

    /// <summary>What is allowed and still likely to be a mistake, one line each.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Warnings =>
    [
        .. Tensors.GroupBy(tensor => (Origin.BeforeScaling(tensor.Origin) as Origin.Kept)?.Remark)
            .Where(group => group.Key is not null)
            .Select(group => $"{string.Join(", ", group.Take(4).Select(tensor => tensor.Name))}{(group.Count() > 4 ? $" and {group.Count() - 4} more" : "")}: kept, though {group.Key}; draw, load or set it"),
    ];

    /// <summary>The entry of a tensor, or null where the network had none of this name.</summary>
    public TensorProvenance? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>
    /// Why it would be doubtful to freeze a tensor: it is not in this report, its value was drawn or kept as constructed, it was
    /// copied from such a one, or it was loaded from a model file in whose own provenance it is random and was never trained.
    /// </summary>
    /// <param name="name">The tensor's dotted name.</param>
    /// <returns>The reason in a few words, or null where nothing speaks against it.</returns>
    public string? DoubtOf(string name)
    {
        if (Find(name) is not { } tensor) return "of unknown origin";
        if (tensor.Trained) return null;
        return Origin.BeforeScaling(tensor.Origin) switch
        {
            Origin.Copied copied => DoubtOf(copied.From) is { } doubt ? $"copied from {copied.From}, which was {doubt}" : null,
            Origin.Loaded loaded => DoubtIn(loaded.Hash, loaded.Key) is { } doubt ? $"loaded from {loaded.File}, where it was {doubt}" : null,
            Origin.Averaged averaged => averaged.Files
                .Select(file => DoubtIn(file.Hash, name) is { } doubt ? $"averaged from {file.File}, where it was {doubt}" : null)
                .FirstOrDefault(doubt => doubt is not null),
            _ => tensor.Doubt,
        };
    }

    /// <summary>What a loaded file itself says against a tensor; null where it says nothing.</summary>
    private string? DoubtIn(string hash, string key) =>
        Loads.FirstOrDefault(load => load.Hash == hash)?.Parent is { } parent && parent.Find(key) is not null ? parent.DoubtOf(key) : null;

    /// <summary>The same report with some tensors marked as trained since.</summary>
    /// <param name="names">The names of the tensors whose values have moved; all others keep their mark.</param>
    public InitializationReport WithTrained(IEnumerable<string> names)
    {
        var trained = names.ToHashSet(StringComparer.Ordinal);
        return new InitializationReport(
            Seed, [.. Tensors.Select(tensor => trained.Contains(tensor.Name) ? tensor with { Trained = true } : tensor)], Loads);
    }

    /// <summary>The same report with norm statistics that were estimated anew since.</summary>
    /// <param name="calibrated">What <see cref="NormCalibration"/> returned.</param>
    public InitializationReport WithCalibrated(CalibratedNorms calibrated)
    {
        ArgumentNullException.ThrowIfNull(calibrated);
        var names = calibrated.Tensors.ToHashSet(StringComparer.Ordinal);
        var rule = $"calibrate-norm \"{calibrated.Selector}\"";
        return new InitializationReport(
            Seed,
            [.. Tensors.Select(tensor => names.Contains(tensor.Name)
                ? tensor with { Rule = rule, Origin = new Origin.Calibrated(calibrated.Batches, tensor.Origin) }
                : tensor)],
            Loads);
    }

    /// <summary>The same report with weights that were scaled to unit variance since.</summary>
    /// <param name="scaled">What <see cref="Lsuv"/> returned.</param>
    public InitializationReport WithScaled(LsuvResult scaled)
    {
        ArgumentNullException.ThrowIfNull(scaled);
        var layers = scaled.Layers.ToDictionary(layer => layer.Weight, StringComparer.Ordinal);
        return new InitializationReport(
            Seed,
            [.. Tensors.Select(tensor => layers.TryGetValue(tensor.Name, out var layer)
                ? tensor with { Rule = $"lsuv \"{scaled.Selector}\"", Origin = new Origin.Scaled(layer.Factor, layer.After, tensor.Origin) }
                : tensor)],
            Loads);
    }

    /// <summary>The report as JSON on one line; <see cref="FromJson"/> reads it back.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>
    /// Reads a report that <see cref="ToJson"/> wrote, also before loads listed their tensors; what such a report does not tell of
    /// them is null.
    /// </summary>
    /// <exception cref="InitializationException">The text is not such a report.</exception>
    public static InitializationReport FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            var node = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { MaxDepth = Json.MaxDepth });
            StoredLoads.Upgrade(node);
            return node.Deserialize<InitializationReport>(Json)
                ?? throw new InitializationException(
                    "the provenance is empty (\"null\"); the file that held it was not written by Frostline");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException or ArgumentException)
        {
            throw new InitializationException(
                $"the provenance cannot be read: {error.Message}; the file that held it was not written by this version of "
                + "Frostline",
                error);
        }
    }

    /// <summary>The report as a text table: a row for each tensor, then what each checkpoint left over.</summary>
    public string Describe()
    {
        string[] head = ["tensor", "shape", "origin", "mean", "deviation", "minimum", "maximum"];
        var rows = Tensors.Select(Row).Prepend(head).ToList();
        var text = new StringBuilder();
        TextRows.Append(text, rows);
        foreach (var load in Loads) text.Append(load.Describe()).Append("  content: ").Append(load.Hash).Append('\n');
        return text.ToString();
    }

    private static string[] Row(TensorProvenance tensor)
    {
        var statistics = (tensor.Origin as Origin.Drawn)?.Statistics;
        return
        [
            tensor.Name, $"[{string.Join(", ", tensor.Shape)}]", tensor.Origin.Describe(),
            Number(statistics?.Mean), Number(statistics?.Deviation), Number(statistics?.Minimum), Number(statistics?.Maximum),
        ];
    }

    private static string Number(double? value) => value?.ToString("0.0000e+0", CultureInfo.InvariantCulture) ?? "";

    private List<TensorProvenance> Having<T>()
        where T : Origin => [.. Tensors.Where(tensor => Origin.BeforeScaling(tensor.Origin) is T)];
}
