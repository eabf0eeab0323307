using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Modules;

/// <summary>What kind of module something is, by its C# type: <c>GetName()</c> of a BatchNorm2d says "BatchNorm1d".</summary>
internal static class ModuleTypes
{
    /// <summary>The names that <c>type:</c> matches: the type, its base types, and the family of a dropout.</summary>
    internal static IReadOnlyList<string> NamesOf(torch.nn.Module module)
    {
        var names = new List<string>();
        for (var type = module.GetType(); type is not null && !IsFoundation(type); type = type.BaseType) names.Add(PlainName(type));
        if (IsDropout(module) && !names.Contains("Dropout", StringComparer.Ordinal)) names.Add("Dropout");
        return names;
    }

    /// <summary>Whether the module was put in by Frostline and is none of the network's.</summary>
    internal static bool IsGuard(torch.nn.Module module) => module is IHiddenModule;

    /// <summary>Whether the module drops activations at random while training.</summary>
    internal static bool IsDropout(torch.nn.Module module) =>
        module is Dropout or Dropout1d or Dropout2d or Dropout3d or AlphaDropout or FeatureAlphaDropout;

    /// <summary>Whether the type is TorchSharp's own.</summary>
    internal static bool IsLibraryType(torch.nn.Module module) => module.GetType().Assembly == typeof(torch).Assembly;

    private static bool IsFoundation(Type type) =>
        type == typeof(object) || type == typeof(torch.nn.Module) || PlainName(type) is "HookableModule" or "ParameterLessModule" or "Module";

    private static string PlainName(Type type)
    {
        var tick = type.Name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? type.Name : type.Name[..tick];
    }
}

/// <summary>Marks modules that Frostline registers with a network for its own ends; no walk shows them.</summary>
internal interface IHiddenModule;
