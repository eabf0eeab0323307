using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using TorchSharp;

namespace Frostline.Training.Registration;

/// <summary>
/// Everything that recipes can name. A domain (vision, text, a user's own assembly) adds its own through
/// <see cref="IFrostlineExtension"/>; nothing below it has to change.
/// </summary>
public sealed class Registry
{
    /// <summary>
    /// Networks. A network is an <c>IStagedNetwork</c>, or a <c>Module&lt;Tensor, Tensor&gt;</c> that maps the field
    /// <c>image</c> to the output <c>logits</c>.
    /// </summary>
    public Catalog<torch.nn.Module> Networks { get; } = new("network");

    /// <summary>Data sets.</summary>
    public Catalog<IDataset> Datasets { get; } = new("data set");

    /// <summary>Transforms of samples.</summary>
    public Catalog<ITransform> Transforms { get; } = new("transform");

    /// <summary>Losses.</summary>
    public Catalog<ILoss> Losses { get; } = new("loss");

    /// <summary>Metrics.</summary>
    public Catalog<IMetric> Metrics { get; } = new("metric");

    /// <summary>Optimizers.</summary>
    public Catalog<OptimizerSettings> Optimizers { get; } = new("optimizer");

    /// <summary>Learning-rate schedules.</summary>
    public Catalog<LearningRateSchedule> Schedules { get; } = new("schedule");
}

/// <summary>Implemented by an assembly that a recipe lists under <c>assemblies:</c>; needs a parameterless constructor.</summary>
public interface IFrostlineExtension
{
    /// <summary>Adds the extension's networks, data sets, transforms, losses and metrics.</summary>
    void Register(Registry registry);
}
