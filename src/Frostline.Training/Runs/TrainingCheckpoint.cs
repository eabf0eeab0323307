using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Optimization;
using TorchSharp;

namespace Frostline.Training.Runs;

/// <summary>
/// The file <c>checkpoint/last.safetensors</c>: all tensors of a training by name, <c>model.&lt;name&gt;</c> (also buffers that
/// model files leave out), <c>optimizer.&lt;parameter&gt;.&lt;part&gt;</c>, <c>average.&lt;name&gt;</c> where there is a moving
/// average, and <c>gradient.&lt;parameter&gt;</c> between accumulated batches; the <see cref="TrainingState"/> as JSON in the
/// metadata. One file,
/// renamed into place: whoever ends the process while it is written leaves the one before.
/// </summary>
public sealed class TrainingCheckpoint : IDisposable
{
    /// <summary>The metadata key of the state.</summary>
    public const string StateKey = "frostline.state";

    /// <summary>The metadata key of the recipe as resolved, which has to be the same when resuming.</summary>
    public const string RecipeKey = "frostline.recipe";

    /// <summary>The metadata key of the audit's ledger: what the tensors were, and what was found so far.</summary>
    public const string LedgerKey = "frostline.ledger";

    /// <summary>The section of the network's parameters and buffers.</summary>
    public const string Model = "model";

    /// <summary>The section of the optimizer's state.</summary>
    public const string Optimizer = "optimizer";

    /// <summary>The section of the moving average.</summary>
    public const string Average = "average";

    /// <summary>The section of gradients that wait for the next step.</summary>
    public const string Gradient = "gradient";

    private readonly Checkpoint _file;

    private TrainingCheckpoint(Checkpoint file, TrainingState state) => (_file, State) = (file, state);

    /// <summary>Where the training is.</summary>
    public TrainingState State { get; }

    /// <summary>All text entries.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    /// <summary>Writes a checkpoint, replacing the one before as a whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="state">Where the training is.</param>
    /// <param name="sections">The tensors by section.</param>
    /// <param name="metadata">More text entries.</param>
    public static void Write(
        string path,
        TrainingState state,
        IReadOnlyDictionary<string, IReadOnlyList<NamedTensor>> sections,
        IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(sections);
        var entries = new Dictionary<string, string>(metadata, StringComparer.Ordinal)
        {
            [StateKey] = JsonSerializer.Serialize(state, RunJson.Line),
        };
        var tensors = sections.SelectMany(
            section => section.Value.Select(named => TensorBytes.SourceOf($"{section.Key}.{named.Name}", named.Tensor)));
        SafetensorsWriter.Write(path, [.. tensors], entries);
    }

    /// <summary>Opens a checkpoint.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FrostlineException">
    /// The file is missing, damaged, or no checkpoint of a training of this version.
    /// </exception>
    public static TrainingCheckpoint Open(string path)
    {
        var file = Checkpoint.Open(path);
        try
        {
            if (!file.Metadata.TryGetValue(StateKey, out var json))
                throw new FrostlineException(
                    $"{path} holds no state of a training; resume from checkpoint/last.safetensors of a run folder");
            var state = JsonSerializer.Deserialize<TrainingState>(json, RunJson.Line);
            if (state is not { Version: 1 })
                throw new FrostlineException(
                    $"{path} holds the state of a training in version {state?.Version}; this version of Frostline reads 1");
            return new TrainingCheckpoint(file, state);
        }
        catch (JsonException error)
        {
            file.Dispose();
            throw new FrostlineException($"{path} holds a damaged state: {error.Message}", error);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The tensors of a section by name, owned by the caller's dispose scope; empty where there is no such section.
    /// </summary>
    /// <param name="section">One of the constants of this class.</param>
    public IReadOnlyDictionary<string, torch.Tensor> Read(string section)
    {
        var result = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        foreach (var info in InSection(section))
        {
            var tensor = torch.empty([.. info.Shape], TensorBytes.ToScalarType(info.Type), torch.CPU);
            TensorBytes.Write(tensor, _file.Read(info.Name));
            result[info.Name[(section.Length + 1)..]] = tensor;
        }

        return result;
    }

    /// <summary>Puts the saved values into a network, bit for bit; checked whole before one is written.</summary>
    /// <param name="network">A network of the same structure.</param>
    /// <exception cref="FrostlineException">A tensor is missing, superfluous, or has another shape or type.</exception>
    public void RestoreModel(torch.nn.Module network)
    {
        var saved = InSection(Model).ToDictionary(info => info.Name[(Model.Length + 1)..], StringComparer.Ordinal);
        var entries = ModuleTree.Of(network).DistinctTensors.ToList();
        foreach (var entry in entries)
        {
            if (!saved.Remove(entry.Name, out var info) || info.Type != TensorBytes.TypeOf(entry.Tensor)
                || !info.Shape.SequenceEqual(entry.Tensor.shape))
                throw new FrostlineException(
                    $"{_file.Source} lacks \"{entry.Name}\" in the network's shape and type; it is the checkpoint of another "
                        + "network");
        }

        if (saved.Count > 0)
            throw new FrostlineException(
                $"{_file.Source} holds \"{saved.Keys.First()}\", which the network lacks; it is the checkpoint of another "
                    + "network");
        foreach (var entry in entries) TensorBytes.Write(entry.Tensor, _file.Read($"{Model}.{entry.Name}"));
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private IEnumerable<TensorInfo> InSection(string section) =>
        _file.Tensors.Where(info => info.Name.StartsWith(section + ".", StringComparison.Ordinal));
}
