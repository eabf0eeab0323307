using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Native;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using Frostline.Training.Recipes;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// Builds what a recipe describes, step by step, for every job that needs some of it: data, network, first values, freeze plan,
/// loss and metrics. Errors start with their place in the recipe.
/// </summary>
public sealed class Workbench
{
    private Workbench(Recipe recipe, torch.Device device, int threads) => (Recipe, Device, Threads) = (recipe, device, threads);

    /// <summary>The recipe.</summary>
    public Recipe Recipe { get; }

    /// <summary>Where tensors are computed.</summary>
    public torch.Device Device { get; }

    /// <summary>How many threads libtorch computes with.</summary>
    public int Threads { get; }

    /// <summary>Loads libtorch, sets its threads and finds the device.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="threads">How many threads; null for the recipe's number, and without one the physical cores.</param>
    /// <exception cref="RecipeException">The device is not there.</exception>
    public static Workbench Open(Recipe recipe, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        var wanted = threads ?? recipe.Threads ?? Processors.PhysicalCores;
        NativeRuntime.Load(wanted);
        if (recipe.Device == DeviceKind.Cuda && !torch.cuda.is_available())
        {
            throw recipe.Error(
                "device", "there is no usable CUDA device: this build has libtorch for the processor; write device: cpu");
        }

        return new Workbench(recipe, recipe.Device == DeviceKind.Cuda ? torch.CUDA : torch.CPU, wanted);
    }

    /// <summary>Opens the data sets.</summary>
    public TrainingData OpenData() => TrainingData.Open(Recipe);

    /// <summary>
    /// Creates the network on the device. Values that its constructor draws depend on the recipe's seed only: libtorch's
    /// generator is seeded with it.
    /// </summary>
    /// <param name="data">The data, whose classes the network may have as many outputs as.</param>
    /// <param name="deferred">
    /// Whether a model file is loaded next, so that the constructor need not draw values; see <see cref="DeferredInitialization"/>.
    /// </param>
    public torch.nn.Module CreateNetwork(TrainingData data, bool deferred = false)
    {
        ArgumentNullException.ThrowIfNull(data);
        using (torch.manual_seed(Recipe.Seed))
        {
        }

        if (Device.type == DeviceType.CPU)
            return deferred ? DeferredInitialization.Construct(() => Recipe.Model.Create(data.Context)) : Recipe.Model.Create(data.Context);
        var network = Recipe.Model.Create(data.Context);
        network.to(Device);
        return network;
    }

    /// <summary>Gives the network its first values by the recipe's rules, those that look at the training data included.</summary>
    /// <param name="network">The network.</param>
    /// <param name="data">The data; needed where norms are calibrated.</param>
    /// <param name="observer">Is told of calibration; null for nobody.</param>
    /// <returns>Where each value came from.</returns>
    public InitializationReport Initialize(torch.nn.Module network, TrainingData data, ITrainingObserver? observer = null)
    {
        var report = RecipeInitialization.Apply(Recipe, network);
        return RecipeInitialization.Adapt(Recipe, network, data, report, Device, observer);
    }

    /// <summary>What the initialisation rules would do, except those that look at the training data; nothing is changed.</summary>
    /// <param name="network">The network.</param>
    public InitializationReport PreviewInitialization(torch.nn.Module network) => RecipeInitialization.Preview(Recipe, network);

    /// <summary>The freeze plan of the recipe's rules.</summary>
    public FreezePlan CreatePlan()
    {
        var plan = new FreezePlan();
        for (var i = 0; i < Recipe.Freeze.Count; i++)
        {
            var rule = Recipe.Freeze[i];
            Recipe.At(FormattableString.Invariant($"freeze[{i}]"), () => Add(plan, rule));
        }

        return plan;
    }

    /// <summary>Applies the recipe's freeze plan.</summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">Where its values came from.</param>
    /// <exception cref="RecipeException">
    /// A rule matches nothing or has no effect, or something frozen was never loaded.
    /// </exception>
    public FrozenModel ApplyPlan(torch.nn.Module network, InitializationReport initialized) =>
        InFreeze(plan => plan.Apply(network, initialized, Recipe.AllowRandom));

    /// <summary>What the recipe's freeze plan would do; nothing is changed.</summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">Where its values came from, or will.</param>
    public PlanStatus PreviewPlan(torch.nn.Module network, InitializationReport initialized) =>
        InFreeze(plan => plan.Preview(network, initialized));

    /// <summary>
    /// The loss: the recipe's, else cross-entropy, or binary cross-entropy for data with several labels a sample.
    /// </summary>
    /// <param name="data">The data.</param>
    public ILoss CreateLoss(TrainingData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (Recipe.Loss is { } item) return item.Create(data.Context);
        return data.Classes is { MultiLabel: true }
            ? new BinaryCrossEntropyLoss(new BinaryCrossEntropyOptions(), data.Context)
            : new CrossEntropyLoss(new CrossEntropyOptions(), data.Context);
    }

    /// <summary>
    /// The metrics: the recipe's, else for classes accuracy, top-5, precision, recall and F1 of each class and the confusion
    /// matrix; for several labels a sample the mean average precision and F1. Data without classes has none but the loss.
    /// </summary>
    /// <param name="data">The data.</param>
    public IReadOnlyList<IMetric> CreateMetrics(TrainingData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (Recipe.Metrics is { } items) return [.. items.Select(item => item.Create(data.Context))];
        var options = new ClassMetricOptions();
        return data.Classes switch
        {
            null => [],
            { MultiLabel: true } classes =>
            [
                new MeanAveragePrecisionMetric(options, classes.Names),
                new MultiLabelMetric(new MultiLabelOptions(), classes.Names),
            ],
            var classes =>
            [
                new TopKMetric(new TopKOptions { K = 1 }), new TopKMetric(new TopKOptions { K = 5 }),
                new PerClassMetric(options, classes.Names), new ConfusionMatrixMetric(options, classes.Names),
            ],
        };
    }

    /// <summary>The metric that chooses the best epoch: the recipe's, else the first one, else the loss.</summary>
    /// <param name="metrics">The metrics.</param>
    public string BestMetric(IReadOnlyList<IMetric> metrics)
    {
        var names = Evaluator.NamesOf(metrics);
        if (Recipe.Best is not { } wanted) return metrics.SelectMany(m => m.Result().Values).FirstOrDefault()?.Name ?? "loss";
        return names.ContainsKey(wanted)
            ? wanted
            : throw Recipe.Error("best", $"\"{wanted}\" is not measured; there are "
                + $"{string.Join(", ", names.Keys)}{NearestNames.Hint(wanted, names.Keys)}");
    }

    private static FreezePlan Add(FreezePlan plan, FreezeRule rule)
    {
        switch (rule)
        {
            case FreezeSelectionRule freeze:
                return plan.Freeze(freeze.Freeze, rule.Norm, rule.Dropout);
            case TrainSelectionRule train:
                return plan.Train(train.Train, rule.Norm, rule.Dropout, train.LearningRate);
            case PolicyRule policy:
                if (policy.Parameters is { } trained) plan.Parameters(policy.Of, trained);
                if (rule.Norm is { } norm) plan.Norm(policy.Of, norm);
                if (rule.Dropout is { } dropout) plan.Dropout(policy.Of, dropout);
                return plan;
            default:
                throw new InvalidOperationException($"unknown rule {rule.GetType().Name}");
        }
    }

    /// <summary>Errors of the whole plan quote the selector that is wrong: they are given its rule's place.</summary>
    private T InFreeze<T>(Func<FreezePlan, T> work)
    {
        var plan = CreatePlan();
        try
        {
            return work(plan);
        }
        catch (FrostlineException error) when (error is not RecipeException)
        {
            var index = Recipe.Freeze.ToList().FindIndex(
                rule => error.Message.Contains($"\"{SelectorOf(rule)}\"", StringComparison.Ordinal));
            throw Recipe.Error(index < 0 ? "freeze" : FormattableString.Invariant($"freeze[{index}]"), error.Message, error);
        }
    }

    private static string SelectorOf(FreezeRule rule) => rule switch
    {
        FreezeSelectionRule freeze => freeze.Freeze,
        TrainSelectionRule train => train.Train,
        PolicyRule policy => policy.Of,
        _ => "",
    };
}
