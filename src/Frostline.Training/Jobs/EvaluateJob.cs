using Frostline.Training.Recipes;
using Frostline.Training.Registration;

namespace Frostline.Training.Jobs;

/// <summary>What an evaluation came to.</summary>
/// <param name="Checkpoint">The file's name, without folder.</param>
/// <param name="Samples">How many samples were evaluated.</param>
/// <param name="Metrics">The numbers by name, <c>loss</c> first.</param>
/// <param name="Tables">The tables, for example the confusion matrix.</param>
/// <param name="Classes">The classes in the order of the network's outputs; empty where there are none.</param>
/// <param name="Unreadable">Samples that could not be read and were left out, by name.</param>
/// <param name="Remarks">What else is worth knowing, one line each.</param>
public sealed record EvaluateResult(
    string Checkpoint,
    int Samples,
    IReadOnlyDictionary<string, double> Metrics,
    IReadOnlyList<Metrics.MetricTable> Tables,
    IReadOnlyList<string> Classes,
    IReadOnlyList<string> Unreadable,
    IReadOnlyList<string> Remarks);

/// <summary>
/// Measures a checkpoint on a recipe's validation data. Where the file is a model file of Frostline's, the meaning of its outputs
/// and the preprocessing are those stored in it; otherwise the recipe's.
/// </summary>
public sealed class EvaluateJob
{
    private readonly Recipe _recipe;
    private readonly Registry _registry;
    private readonly string _path;

    /// <summary>Prepares an evaluation; nothing is touched.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="registry">What the file's description can name; the one that the recipe was loaded with.</param>
    /// <param name="checkpoint">
    /// The file: a model file, or any checkpoint of the whole network by its names, with or without the prefix <c>module.</c>.
    /// </param>
    public EvaluateJob(Recipe recipe, Registry registry, string checkpoint)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentException.ThrowIfNullOrEmpty(checkpoint);
        (_recipe, _registry, _path) = (recipe, registry, checkpoint);
    }

    /// <summary>Measures.</summary>
    /// <param name="threads">How many threads; null for the recipe's number.</param>
    /// <param name="progress">Is told batches done and in all; null for nobody.</param>
    /// <param name="cancellation">Ends it with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="FrostlineException">
    /// The file does not fit the network, the data has a class that the model does not know, or the recipe has no validation
    /// data.
    /// </exception>
    public EvaluateResult Run(int? threads = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        using var file = ModelLoading.Open(_path);
        var description = ModelDescription.Read(file, _registry);
        var bench = Workbench.Open(_recipe, threads);
        var data = bench.OpenData();
        if (data.Validate is null)
            throw _recipe.Error("data", "there is no validation data to evaluate on; give validate: or split:");

        List<string> remarks = [];
        var known = description is null ? data : data.As(description);
        using var network = bench.CreateNetwork(known, deferred: true);
        ModelLoading.Load(network, file, remarks);
        var transform = description?.Transform.Select(item => item.Create(known.Context)).ToList();
        if (description is not null && TransformOf(ModelDescription.Of(_recipe, null)) != TransformOf(description))
            remarks.Add("the preprocessing is that of the model file, which differs from the recipe's");
        using var loader = known.LoaderOf(known.Validate!, transform);
        var runner = new NetworkRunner(network) { TestTime = _recipe.TestTime?.Create(known.Context) };
        var evaluator = new Evaluator(runner, loader, bench.CreateLoss(known), bench.CreateMetrics(known), bench.Device);
        var evaluation = evaluator.Run(done => progress?.Invoke(done, evaluator.Batches), cancellation);
        return new EvaluateResult(
            Path.GetFileName(_path),
            known.Validate!.Count - loader.Skipped.Count,
            evaluation.ByName,
            evaluation.Tables,
            known.Classes?.Names ?? [],
            [.. loader.Skipped.Select(s => s.Source)],
            remarks);
    }

    private static string TransformOf(ModelDescription description) => description.ToMetadata()[ModelDescription.TransformKey];
}
