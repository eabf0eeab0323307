using System.Reflection;
using Frostline.Initialization;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
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
    private readonly HashSet<Type> _extensions = [];

    /// <summary>
    /// Networks. A network is an <c>IStagedNetwork</c>, or a <c>Module&lt;Tensor, Tensor&gt;</c> that maps the field
    /// <c>image</c> to the output <c>logits</c>.
    /// </summary>
    public Catalog<torch.nn.Module> Networks { get; } = new("network");

    /// <summary>Initialisation schemes: which layers' values are drawn how.</summary>
    public Catalog<InitializationScheme> Schemes { get; } = new("scheme");

    /// <summary>Initializers: how one tensor's values are drawn.</summary>
    public Catalog<Initializer> Initializers { get; } = new("initializer");

    /// <summary>Data sets.</summary>
    public Catalog<IDataset> Datasets { get; } = new("data set");

    /// <summary>Transforms of samples.</summary>
    public Catalog<ITransform> Transforms { get; } = new("transform");

    /// <summary>Losses.</summary>
    public Catalog<ILoss> Losses { get; } = new("loss");

    /// <summary>Metrics.</summary>
    public Catalog<IMetric> Metrics { get; } = new("metric");

    /// <summary>Ways to run a network several times for a batch when it is evaluated or predicts.</summary>
    public Catalog<ITestTimeAugmentation> TestTime { get; } = new("test-time augmentation");

    /// <summary>Optimizers.</summary>
    public Catalog<OptimizerSettings> Optimizers { get; } = new("optimizer");

    /// <summary>Learning-rate schedules.</summary>
    public Catalog<LearningRateSchedule> Schedules { get; } = new("schedule");

    /// <summary>Engines that compute the frozen part of a network.</summary>
    public Catalog<PrefixEngineFactory> PrefixEngines { get; } = new("engine");

    /// <summary>Adds what an extension brings. An extension of a type that was added before changes nothing.</summary>
    /// <param name="extension">The extension.</param>
    /// <returns>This registry.</returns>
    /// <exception cref="FrostlineException">A name of the extension is taken.</exception>
    public Registry Add(IFrostlineExtension extension)
    {
        ArgumentNullException.ThrowIfNull(extension);
        if (_extensions.Add(extension.GetType())) extension.Register(this);
        return this;
    }

    /// <summary>The catalogue of the things of a type; null where there is none.</summary>
    internal ICatalog? Find(Type thing) => Catalogs.FirstOrDefault(catalog => catalog.ThingType == thing);

    /// <summary>All catalogues, in the order of their properties.</summary>
    internal IEnumerable<ICatalog> Catalogs =>
        typeof(Registry).GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .OrderBy(property => property.MetadataToken)
            .Select(property => property.GetValue(this))
            .OfType<ICatalog>();
}

/// <summary>Implemented by an assembly that a recipe lists under <c>assemblies:</c>; needs a parameterless constructor.</summary>
public interface IFrostlineExtension
{
    /// <summary>Adds the extension's networks, data sets, transforms, losses and metrics.</summary>
    void Register(Registry registry);
}
