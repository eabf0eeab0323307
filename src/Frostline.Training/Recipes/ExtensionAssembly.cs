using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>Assemblies with networks, data sets, transforms, losses or metrics of a user's own, outside of a recipe.</summary>
public static class ExtensionAssembly
{
    /// <summary>Adds to a registry what an assembly brings: what a recipe says with <c>assemblies:</c>.</summary>
    /// <param name="registry">What it is added to.</param>
    /// <param name="path">The assembly; a relative path counts from the current folder.</param>
    /// <exception cref="FrostlineException">The file is missing, no assembly, or brings no extension that can be created.</exception>
    public static void AddTo(Registry registry, string path)
    {
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentException.ThrowIfNullOrEmpty(path);
        ExtensionLoader.Load(path, Directory.GetCurrentDirectory(), new RecipePosition("assembly", 0, 0), registry);
    }
}
