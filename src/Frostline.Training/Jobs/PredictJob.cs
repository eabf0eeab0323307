using System.Globalization;
using Frostline.Training.Data;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>How predictions are made.</summary>
public sealed record PredictOptions
{
    /// <summary>How many classes of each sample are reported, most probable first, at least 1; default 5.</summary>
    public int Top { get; init; } = 5;

    /// <summary>How many samples a batch has, at least 1; default 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>How many threads read samples ahead, at least 1; default 2.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>What an unreadable sample does; default: it ends the job with an error that names it.</summary>
    public UnreadablePolicy Unreadable { get; init; } = UnreadablePolicy.Fail;
}

/// <summary>A class and how probable it is.</summary>
/// <param name="Index">The class's index among the network's outputs.</param>
/// <param name="Name">Its name; the index as text where the model has no names.</param>
/// <param name="Probability">
/// From 0 to 1: softmax over the outputs, or, for models with several labels a sample, each output's own sigmoid.
/// </param>
public sealed record ClassProbability(int Index, string Name, double Probability);

/// <summary>What a network says of one sample.</summary>
/// <param name="Source">Where the sample comes from.</param>
/// <param name="Classes">The most probable classes, most probable first; equal ones in the order of the outputs.</param>
public sealed record Prediction(string Source, IReadOnlyList<ClassProbability> Classes);

/// <summary>What a prediction job came to.</summary>
/// <param name="Model">The model file's name, without folder.</param>
/// <param name="Network">The network's name.</param>
/// <param name="Predictions">One a sample, in the order of the data set.</param>
/// <param name="Unreadable">Samples that could not be read and were left out, each with the reason.</param>
public sealed record PredictResult(
    string Model, string Network, IReadOnlyList<Prediction> Predictions, IReadOnlyList<string> Unreadable);

/// <summary>
/// Classifies samples with a network whose weights are loaded.
/// </summary>
public sealed class PredictJob
{
    private const string LogitsName = "logits";

    private readonly LoadedModel _model;
    private readonly PredictOptions _options;

    /// <summary>Prepares the job; nothing is touched.</summary>
    /// <param name="model">The network with its weights; it stays the caller's.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="FrostlineException">A number in the options is less than 1.</exception>
    public PredictJob(LoadedModel model, PredictOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _options) = (model, options ?? new PredictOptions());
        if (_options.Top < 1)
            throw new FrostlineException($"the number of classes to report is {_options.Top}; it has to be at least 1");
    }

    /// <summary>Classifies the samples of a data set.</summary>
    /// <param name="samples">The data set; its labels, where it has some, are not looked at.</param>
    /// <param name="progress">Is told the batches done and in all; null for nobody.</param>
    /// <param name="cancellation">Ends it with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="FrostlineException">
    /// The network is no classifier, or a sample cannot be read.
    /// </exception>
    public PredictResult Run(IDataset samples, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(samples);
        var description = _model.Description;
        var runner = new NetworkRunner(_model.Network) { TestTime = _model.TestTime };
        using var loader = new BatchLoader(samples, new BatchLoaderOptions
        {
            BatchSize = _options.BatchSize,
            Workers = _options.Workers,
            Sampling = SamplingMode.Sequential,
            Unreadable = _options.Unreadable,
            Transforms = _model.Transform,
        });

        var predictions = new List<Prediction>();
        using var noGrad = torch.no_grad();
        foreach (var batch in loader.Epoch(0, 0, cancellation))
        {
            var scores = ScoresOf(runner, batch, out var count);
            for (var row = 0; row < batch.Count; row++)
                predictions.Add(new Prediction(batch.Sources[row], TopOf(scores.AsSpan(row * count, count), description.Classes)));
            batch.Dispose();
            progress?.Invoke(batch.Number + 1, loader.BatchesPerEpoch);
        }

        return new PredictResult(
            Path.GetFileName(_model.Source), description.Model.Name, predictions, [.. loader.Skipped.Select(skip => skip.Reason)]);
    }

    /// <summary>The network's outputs, row by row.</summary>
    private float[] ScoresOf(NetworkRunner runner, HostBatch batch, out int count)
    {
        using var scope = torch.NewDisposeScope();
        var outputs = runner.Run(HostTensors.Of(batch, _model.Device));
        var logits = outputs.GetValueOrDefault(LogitsName) ?? (outputs.Count == 1 ? outputs.Values.Single() : null);
        if (logits is not { Dimensions: 2 })
        {
            var shapes = outputs.Select(output => $"{output.Key} [{string.Join(", ", output.Value.shape)}]");
            throw new FrostlineException(
                $"{_model.Source} holds no classifier: its network puts out {string.Join(", ", shapes)}, not one score a class");
        }

        count = (int)logits.shape[1];
        return logits.to(torch.float32).cpu().contiguous().data<float>().ToArray();
    }

    private IReadOnlyList<ClassProbability> TopOf(ReadOnlySpan<float> scores, ClassMap? classes)
    {
        if (classes is not null && classes.Names.Count != scores.Length)
        {
            throw new FrostlineException(
                $"{_model.Source} names {classes.Names.Count} classes, and its network puts out {scores.Length}; the file is damaged");
        }

        var probabilities = classes is { MultiLabel: true } ? Sigmoids(scores) : Softmax(scores);
        return
        [
            .. Enumerable.Range(0, probabilities.Length)
                .OrderByDescending(index => probabilities[index])
                .ThenBy(index => index)
                .Take(_options.Top)
                .Select(index => new ClassProbability(
                    index, classes?.Names[index] ?? index.ToString(CultureInfo.InvariantCulture), probabilities[index])),
        ];
    }

    private static double[] Sigmoids(ReadOnlySpan<float> scores)
    {
        var result = new double[scores.Length];
        for (var i = 0; i < result.Length; i++) result[i] = 1 / (1 + Math.Exp(-scores[i]));
        return result;
    }

    private static double[] Softmax(ReadOnlySpan<float> scores)
    {
        // Without the greatest score, exponentials would overflow.
        var greatest = float.NegativeInfinity;
        foreach (var score in scores) greatest = Math.Max(greatest, score);
        var result = new double[scores.Length];
        double sum = 0;
        for (var i = 0; i < result.Length; i++) sum += result[i] = Math.Exp(scores[i] - (double)greatest);
        for (var i = 0; i < result.Length; i++) result[i] /= sum;
        return result;
    }
}
