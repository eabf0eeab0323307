using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>How a network is exported.</summary>
public sealed record ExportOptions
{
    /// <summary>The ONNX file to create or replace.</summary>
    public required string Output { get; init; }

    /// <summary>The operator set; default <see cref="OnnxExportOptions.LeastOpset"/>.</summary>
    public int Opset { get; init; } = OnnxExportOptions.LeastOpset;

    /// <summary>How many samples a batch of the model has, at least 1; not used with <see cref="DynamicBatch"/>. Default 1.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>Whether a batch may have any number of samples; default false.</summary>
    public bool DynamicBatch { get; init; }

    /// <summary>How many threads; null for the recipe's number.</summary>
    public int? Threads { get; init; }
}

/// <summary>What an export came to.</summary>
/// <param name="Output">The file.</param>
/// <param name="Bytes">How large it is.</param>
/// <param name="Opset">Its operator set.</param>
/// <param name="Inputs">The shape of each input; -1 for a batch of any size.</param>
/// <param name="Outputs">The shape of each output, likewise.</param>
/// <param name="RelativeError">
/// How far its results are from the network's on samples of the recipe: the Euclidean norm of the difference over that of the results.
/// </param>
/// <param name="Samples">On how many samples.</param>
/// <param name="Remarks">What else is worth knowing, one line each.</param>
public sealed record ExportResult(
    string Output, long Bytes, int Opset, IReadOnlyDictionary<string, IReadOnlyList<long>> Inputs,
    IReadOnlyDictionary<string, IReadOnlyList<long>> Outputs, double RelativeError, int Samples, IReadOnlyList<string> Remarks);

/// <summary>
/// Writes a recipe's network with the values of a checkpoint as an ONNX model, and runs that on samples of the recipe before the file is
/// written: what does not compute the same is no result.
/// </summary>
public sealed class ExportJob
{
    /// <summary>The greatest error of a model in single precision.</summary>
    public const double MostError = 1e-4;

    private const int MostSamples = 4;

    private readonly Recipe _recipe;
    private readonly Registry _registry;
    private readonly string _checkpoint;
    private readonly ExportOptions _options;

    /// <summary>Prepares an export; nothing is touched.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="registry">What the file's description can name; the one that the recipe was loaded with.</param>
    /// <param name="checkpoint">A model file, or any checkpoint of the whole network by its names.</param>
    /// <param name="options">Where to, and how.</param>
    public ExportJob(Recipe recipe, Registry registry, string checkpoint, ExportOptions options)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentException.ThrowIfNullOrEmpty(checkpoint);
        ArgumentNullException.ThrowIfNull(options);
        (_recipe, _registry, _checkpoint, _options) = (recipe, registry, checkpoint, options);
    }

    /// <summary>Exports.</summary>
    /// <param name="run">Runs an ONNX model: from its bytes and named inputs to its named outputs, owned by the caller's dispose scope.</param>
    /// <exception cref="FrostlineException">
    /// The network does not show its stages or cannot be recorded, the checkpoint does not fit, or the model computes something else.
    /// </exception>
    public ExportResult Run(Func<byte[], IReadOnlyDictionary<string, torch.Tensor>, IReadOnlyDictionary<string, torch.Tensor>> run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (_options.Batch < 1) throw new FrostlineException($"the batch is {_options.Batch}; it has to be at least 1");
        using var file = ModelLoading.Open(_checkpoint);
        var description = ModelDescription.Read(file, _registry);
        var bench = Workbench.Open(_recipe, _options.Threads);
        var data = bench.OpenData();
        if (description is not null) data = data.As(description);
        List<string> remarks = [];
        using var network = bench.CreateNetwork(data, deferred: true);
        if (network is not IStagedNetwork staged)
            throw _recipe.Error("model", $"{_recipe.Model.Name} does not show its stages, so that it cannot be written as ONNX; give it stages (IStagedNetwork)");
        ModelLoading.Load(network, file, remarks);
        network.eval();

        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (inputs, samples) = SamplesOf(data, description, staged, bench.Device);
        var batch = _options.DynamicBatch ? samples : _options.Batch;
        var given = inputs.ToDictionary(input => input.Key, input => Rows(input.Value, samples, batch), StringComparer.Ordinal);
        var shapes = given.ToDictionary(input => input.Key, IReadOnlyList<long> (input) => input.Value.shape, StringComparer.Ordinal);
        var model = OnnxExport.Write(staged, shapes, new OnnxExportOptions
        {
            Opset = _options.Opset,
            DynamicBatch = _options.DynamicBatch,
            Metadata = (description ?? ModelDescription.Of(_recipe, data.Classes, data.Context.Facts)).ToMetadata(),
        });
        var expected = StagedForward.Run(staged, given);
        var error = FrozenPrefix.RelativeError(run(model, given), expected);
        if (error > MostError)
            throw new FrostlineException(FormattableString.Invariant($"the ONNX model computes something else than the network: its error is {error:0.#e+0}, more than {MostError:0.#e+0}; nothing was written"));
        AtomicFile.Write(_options.Output, stream => stream.Write(model));
        return new ExportResult(
            _options.Output, model.Length, _options.Opset, Sizes(given), Sizes(expected), error, Math.Min(samples, batch), remarks);
    }

    /// <summary>The rows of so many samples, the samples again and again where there are fewer.</summary>
    private static torch.Tensor Rows(torch.Tensor tensor, int samples, int batch)
    {
        var each = tensor.shape[0] / samples;
        var rows = Enumerable.Range(0, batch).SelectMany(i => Enumerable.Range(0, (int)each).Select(row => (i % samples * each) + row)).ToArray();
        return tensor.index_select(0, torch.tensor(rows));
    }

    private Dictionary<string, IReadOnlyList<long>> Sizes(IReadOnlyDictionary<string, torch.Tensor> tensors) => tensors.ToDictionary(
        tensor => tensor.Key,
        IReadOnlyList<long> (tensor) => [_options.DynamicBatch ? -1 : tensor.Value.shape[0], .. tensor.Value.shape.Skip(1)], StringComparer.Ordinal);

    /// <summary>The first samples, prepared as for validation.</summary>
    private static (Dictionary<string, torch.Tensor> Inputs, int Count) SamplesOf(
        TrainingData data, ModelDescription? description, IStagedNetwork network, torch.Device device)
    {
        var transform = description?.Transform.Select(item => item.Create(data.Context)).ToList();
        var dataset = data.Validate ?? data.Train;
        using var loader = data.LoaderOf(new SubsetDataset(dataset, [.. Enumerable.Range(0, Math.Min(MostSamples, dataset.Count))]), transform);
        using var batch = loader.Epoch(0).First();
        var fields = HostTensors.Of(batch, device);
        var inputs = network.Inputs.ToDictionary(
            name => name,
            name => fields.TryGetValue(name, out var tensor)
                ? tensor
                : throw new FrostlineException($"the data has no field \"{name}\", which the network reads"),
            StringComparer.Ordinal);
        return (inputs, batch.Count);
    }
}
