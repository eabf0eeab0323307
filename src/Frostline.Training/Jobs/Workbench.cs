using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
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

    /// <summary>The same workbench, but with the freeze rules of another recipe.</summary>
    /// <param name="recipe">That recipe as YAML, which names nothing that this one does not.</param>
    internal Workbench WithRulesOf(string recipe) =>
        new(Recipe with { Freeze = Recipe.Parse(recipe, "the recipe of before", Recipe.Folder, Recipe.Registry!).Freeze }, Device, Threads);

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
        return CreateNetwork(data.Context, deferred);
    }

    /// <summary>As <see cref="CreateNetwork(TrainingData, bool)"/>, where the data need not be opened.</summary>
    /// <param name="context">What is known of the data.</param>
    /// <param name="deferred">Likewise.</param>
    internal torch.nn.Module CreateNetwork(BuildContext context, bool deferred = false)
    {
        using (torch.manual_seed(Recipe.Seed))
        {
        }

        if (Device.type == DeviceType.CPU)
            return deferred ? DeferredInitialization.Construct(() => Recipe.Model.Create(context)) : Recipe.Model.Create(context);
        var network = Recipe.Model.Create(context);
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

    /// <summary>The freeze plan of the recipe's rules, with all of its phases.</summary>
    public FreezePlan CreatePlan()
    {
        var plan = new FreezePlan();
        for (var i = 0; i < Recipe.Freeze.Count; i++)
        {
            var rule = Recipe.Freeze[i];
            Recipe.At(FormattableString.Invariant($"freeze[{i}]"), () => Add(plan, rule));
        }

        if (plan.Plateaus > 0 && Recipe.Train.Plateau is null)
            throw Recipe.Error("freeze", "a rule waits for a plateau, and nothing says what one is; add plateau: to train, for example plateau: 3");
        if (plan.PhaseEpochs[^1] is var last && last >= Recipe.Train.Epochs)
            throw Recipe.Error("freeze", FormattableString.Invariant($"a rule waits until {last} epochs are over (from-epoch: {last}), and the training has {Recipe.Train.Epochs}; lower it or train longer"));
        return plan;
    }

    /// <summary>How parameters are trained apart: the recipe's groups, and the schedules of progressive freezing.</summary>
    /// <param name="data">The data.</param>
    public ParameterGroups CreateGroups(TrainingData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        var groups = new ParameterGroups();
        if (Recipe.Train.LayerDecay is { } factor) groups.LayerDecay(factor);
        if (!Recipe.Train.DecayNormAndBias) groups.NoDecayOnNormAndBias();
        foreach (var rule in Recipe.Freeze.OfType<ProgressiveFreezingRule>()) groups.Anneal(FreezingOf(rule), rule.Scaled);
        for (var i = 0; i < Recipe.Train.Groups.Count; i++)
        {
            var rule = Recipe.Train.Groups[i];
            Recipe.At(
                FormattableString.Invariant($"train.groups[{i}]"),
                () => groups.For(rule.Of, rule.LearningRate, rule.WeightDecay, rule.Schedule?.Create(data.Context)));
        }

        return groups;
    }

    /// <summary>The optimizer over what the plan trains.</summary>
    /// <param name="frozen">The network with its plan.</param>
    /// <param name="data">The data.</param>
    internal NamedOptimizer CreateOptimizer(FrozenModel frozen, TrainingData data)
    {
        var groups = CreateGroups(data);
        return Recipe.At("train", () => frozen.Optimizer(Recipe.Train.Optimizer?.Create(data.Context) ?? new AdamWSettings(), groups));
    }

    /// <summary>The numbers of the training.</summary>
    /// <param name="data">The data.</param>
    /// <param name="best">The metric that chooses the best epoch.</param>
    internal LoopSettings CreateLoopSettings(TrainingData data, string best) => new()
    {
        Seed = Recipe.Seed,
        Epochs = Recipe.Train.Epochs,
        Accumulate = Recipe.Train.Accumulate,
        ClipGradientNorm = Recipe.Train.ClipGradientNorm,
        Schedule = Recipe.Train.Schedule?.Create(data.Context) ?? new ConstantSchedule(),
        EarlyStopping = WatchOf(Recipe.Train.EarlyStopping, best),
        Plateau = WatchOf(Recipe.Train.Plateau, best),
        AuditEvery = Recipe.Train.Audit.Every,
        Mixup = Recipe.Train.Mixup,
        FeatureMixup = Recipe.Train.FeatureMixup,
        FeatureBrightness = Recipe.Train.FeatureBrightness,
        Best = best,
        CheckpointEverySteps = Recipe.Train.CheckpointEvery.Steps,
        CheckpointEverySeconds = Recipe.Train.CheckpointEvery.Seconds,
        Classes = data.Classes?.Names.Count,
    };

    /// <summary>Applies the first phase of the recipe's freeze plan.</summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">Where its values came from.</param>
    /// <exception cref="RecipeException">
    /// A rule matches nothing or has no effect, or something frozen was never loaded.
    /// </exception>
    public FrozenModel ApplyPlan(torch.nn.Module network, InitializationReport initialized) =>
        InFreeze(plan => plan.Apply(network, initialized, Recipe.AllowRandom));

    /// <summary>What the recipe's freeze plan would do, phase by phase; nothing is changed.</summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">Where its values came from, or will.</param>
    public IReadOnlyList<PlannedPhase> PreviewPlan(torch.nn.Module network, InitializationReport initialized) =>
        InFreeze(plan => plan.PreviewPhases(network, initialized));

    /// <summary>
    /// The loss: the recipe's, else the data's usual one, else cross-entropy, or binary cross-entropy for data with several labels a sample.
    /// </summary>
    /// <param name="data">The data.</param>
    public ILoss CreateLoss(TrainingData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (Recipe.Loss is { } item) return item.Create(data.Context);
        if (data.Train.UsualLoss is { } usual && Recipe.Registry is { } registry) return registry.Losses.Item(usual).Create(data.Context);
        return data.Classes is { MultiLabel: true }
            ? new BinaryCrossEntropyLoss(new BinaryCrossEntropyOptions(), data.Context)
            : new CrossEntropyLoss(new CrossEntropyOptions(), data.Context);
    }

    /// <summary>
    /// The metrics: the recipe's, else the data's usual ones, else for classes accuracy, top-5, precision, recall and F1 of each class and the confusion
    /// matrix; for several labels a sample the mean average precision and F1. Data without classes has none but the loss.
    /// </summary>
    /// <param name="data">The data.</param>
    public IReadOnlyList<IMetric> CreateMetrics(TrainingData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (Recipe.Metrics is { } items) return [.. items.Select(item => item.Create(data.Context))];
        if (data.Train.UsualMetrics is { } usual && data.Validate is not null && Recipe.Registry is { } registry)
            return [.. usual.Select(name => registry.Metrics.Item(name).Create(data.Context))];
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

    private static MetricWatch? WatchOf(PatienceSettings? settings, string best) =>
        settings is null ? null : new MetricWatch(settings.Metric ?? best, settings.Patience, settings.MinimumChange);

    private FreezePlan Add(FreezePlan plan, FreezeRule rule)
    {
        if (rule.FromPlateau is { } plateau) plan.FromPlateau(plateau);
        else plan.FromEpoch(rule.FromEpoch ?? 0);
        switch (rule)
        {
            case FreezeSelectionRule freeze:
                return plan.Freeze(freeze.Freeze, rule.Norm, rule.Dropout);
            case TrainSelectionRule train:
                return plan.Train(train.Train, rule.Norm, rule.Dropout, train.LearningRate, train.WarmUp);
            case PolicyRule policy:
                if (policy.Parameters is { } trained) plan.Parameters(policy.Of, trained);
                if (rule.Norm is { } norm) plan.Norm(policy.Of, norm);
                if (rule.Dropout is { } dropout) plan.Dropout(policy.Of, dropout);
                return plan;
            case UnfreezeRule { FromPlateau: { } first } parts:
                return plan.UnfreezeAtPlateaus(parts.Unfreeze, first, parts.Decay, rule.Norm, rule.Dropout, parts.WarmUp);
            case UnfreezeRule parts:
                return plan.UnfreezeGradually(parts.Unfreeze, rule.FromEpoch ?? 1, parts.Every, parts.Decay, rule.Norm, rule.Dropout, parts.WarmUp);
            case ProgressiveFreezingRule progressive:
                return plan.FreezeProgressively(FreezingOf(progressive));
            default:
                throw new InvalidOperationException($"unknown rule {rule.GetType().Name}");
        }
    }

    private ProgressiveFreezing FreezingOf(ProgressiveFreezingRule rule) => new(rule.FreezeProgressively, Recipe.Train.Epochs, rule.First, rule.Cubed);

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
            // The first one that is quoted: what comes later may be a hint.
            var quoted = Recipe.Freeze
                .SelectMany((rule, index) => rule.Selectors.Select(selector => (index, At: error.Message.IndexOf($"\"{selector}\"", StringComparison.Ordinal))))
                .Where(found => found.At >= 0).OrderBy(found => found.At).Select(found => (int?)found.index).FirstOrDefault();
            throw Recipe.Error(quoted is { } rule ? FormattableString.Invariant($"freeze[{rule}]") : "freeze", error.Message, error);
        }
    }
}
