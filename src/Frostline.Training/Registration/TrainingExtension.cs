using Frostline.Optimization;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;

namespace Frostline.Training.Registration;

/// <summary>
/// What training itself brings: initializers, schemes, optimizers, schedules, losses and metrics of classification.
/// </summary>
public sealed class TrainingExtension : IFrostlineExtension
{
    /// <inheritdoc/>
    public void Register(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        InitializerRegistration.Register(registry.Initializers);
        InitializerRegistration.Register(registry.Schemes);
        RegisterOptimizers(registry.Optimizers);
        RegisterSchedules(registry.Schedules);
        RegisterLosses(registry.Losses);
        RegisterMetrics(registry.Metrics);
        RegisterEngines(registry.PrefixEngines);
    }

    private static void RegisterEngines(Catalog<PrefixEngineFactory> catalog)
    {
        catalog.Register<NoOptions>(
            "auto", "the fastest of all that can compute the stages below the frost line",
            (_, context) => new AutoEngineFactory(() => catalog.Entries.Where(entry => entry.Name != "auto").Select(entry => entry.Create(Activator.CreateInstance(entry.OptionsType)!, context))));
        catalog.Register<NoOptions>("plain", "the stages as the network runs them", (_, _) => new PlainEngineFactory());
        catalog.Register<NoOptions>("libtorch", "compiled for libtorch: norms folded into convolutions", (_, _) => new LibtorchEngineFactory());
    }

    private static void RegisterLosses(Catalog<ILoss> catalog)
    {
        catalog.Register<CrossEntropyOptions>(
            "cross-entropy", "one class a sample, with label smoothing and class weights",
            (options, context) => new CrossEntropyLoss(options, context));
        catalog.Register<BinaryCrossEntropyOptions>(
            "binary-cross-entropy", "independent labels, from scores",
            (options, context) => new BinaryCrossEntropyLoss(options, context));
    }

    private static void RegisterMetrics(Catalog<IMetric> catalog)
    {
        catalog.Register<ClassMetricOptions>(
            "accuracy", "the share of samples whose class has the greatest score", (options, _) => TopK(options, 1));
        catalog.Register<ClassMetricOptions>(
            "top-5", "the share of samples whose class is among the five greatest scores", (options, _) => TopK(options, 5));
        catalog.Register<TopKOptions>(
            "top-k", "the share of samples whose class is among the k greatest scores", (options, _) => new TopKMetric(options));
        catalog.Register<ClassMetricOptions>(
            "per-class", "precision, recall and F1 of each class, and their means",
            (options, context) => new PerClassMetric(options, context.Classes?.Names));
        catalog.Register<ClassMetricOptions>(
            "confusion-matrix", "how often each class is taken for another",
            (options, context) => new ConfusionMatrixMetric(options, context.Classes?.Names));
        catalog.Register<MultiLabelOptions>(
            "multi-label", "precision, recall and F1 of independent labels at a threshold",
            (options, context) => new MultiLabelMetric(options, context.Classes?.Names));
        catalog.Register<ClassMetricOptions>(
            "mean-average-precision", "the mean over labels of the average precision",
            (options, context) => new MeanAveragePrecisionMetric(options, context.Classes?.Names));
    }

    private static TopKMetric TopK(ClassMetricOptions options, int k) =>
        new(new TopKOptions { Output = options.Output, Target = options.Target, K = k });

    private static void RegisterOptimizers(Catalog<OptimizerSettings> catalog)
    {
        catalog.Register<SgdSettings>("sgd", "stochastic gradient descent, with momentum and Nesterov", (options, _) => options);
        catalog.Register<AdamSettings>("adam", "Adam, with decay added to the gradient", (options, _) => options);
        catalog.Register<AdamWSettings>("adamw", "Adam with decoupled weight decay", (options, _) => options);
    }

    private static void RegisterSchedules(Catalog<LearningRateSchedule> catalog)
    {
        catalog.Register<ConstantSchedule>("constant", "the same rate throughout", (options, _) => options);
        catalog.Register<StepSchedule>(
            "step", "falls by a factor every so many epochs, or at given ones", (options, _) => options);
        catalog.Register<CosineSchedule>("cosine", "falls along half a cosine, step by step", (options, _) => options);
        catalog.Register<PlateauSchedule>(
            "plateau", "falls when the monitored metric stops getting better", (options, _) => options);
    }
}
