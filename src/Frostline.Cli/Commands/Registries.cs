using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Vision;

namespace Frostline.Cli.Commands;

/// <summary>What recipes and model files can name in this program.</summary>
internal static class Registries
{
    /// <summary>A new registry with everything that comes with the command.</summary>
    public static Registry Create() => new Registry().Add(new TrainingExtension()).Add(new VisionExtension()).Add(new OnnxRuntimeExtension());

    /// <summary>A new registry, with assemblies of the user's own besides.</summary>
    /// <param name="assemblies">Paths of assemblies, counted from the current folder.</param>
    /// <exception cref="FrostlineException">One cannot be loaded or holds no extension.</exception>
    public static Registry Create(IEnumerable<string> assemblies)
    {
        var registry = Create();
        foreach (var assembly in assemblies) ExtensionAssembly.AddTo(registry, assembly);
        return registry;
    }
}
