using Frostline.Optimization;

namespace Frostline.Training.Registration;

/// <summary>What training itself brings: optimizers, schedules, losses and metrics of classification.</summary>
public sealed class TrainingExtension : IFrostlineExtension
{
    /// <inheritdoc/>
    public void Register(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        RegisterOptimizers(registry.Optimizers);
        RegisterSchedules(registry.Schedules);
    }

    private static void RegisterOptimizers(Catalog<OptimizerSettings> catalog)
    {
        catalog.Register<SgdSettings>("sgd", "stochastic gradient descent, with momentum and Nesterov", (options, _) => options);
        catalog.Register<AdamSettings>("adam", "Adam, with decay added to the gradient", (options, _) => options);
        catalog.Register<AdamWSettings>("adamw", "Adam with decoupled weight decay", (options, _) => options);
    }

    private static void RegisterSchedules(Catalog<LearningRateSchedule> catalog)
    {
        catalog.Register<ConstantSchedule>("constant", "the same rate throughout", (options, _) => options);
        catalog.Register<StepSchedule>("step", "falls by a factor every so many epochs, or at given ones", (options, _) => options);
        catalog.Register<CosineSchedule>("cosine", "falls along half a cosine, step by step", (options, _) => options);
        catalog.Register<PlateauSchedule>("plateau", "falls when the monitored metric stops getting better", (options, _) => options);
    }
}
