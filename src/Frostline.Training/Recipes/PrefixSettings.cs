using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>How the frozen prefix is computed: the stages below the frost line, which nothing can change.</summary>
public sealed record PrefixSettings
{
    /// <summary>
    /// The engine: <c>auto</c>, <c>plain</c>, <c>libtorch</c> or <c>onnxruntime</c>. Each is checked on samples against the network as it is.
    /// Default: auto.
    /// </summary>
    [DefaultItem("auto")]
    public CatalogItem<PrefixEngineFactory>? Engine { get; init; }
}
