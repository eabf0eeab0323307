using System.Globalization;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// Modules by number, of which some are left out: PyTorch's <c>ModuleList</c> with <c>None</c> in it, whose other entries keep their index in
/// parameters' names.
/// </summary>
/// <typeparam name="T">What they are.</typeparam>
internal sealed class ModuleSlots<T> : nn.Module
    where T : nn.Module
{
    private readonly Dictionary<int, T> _modules = [];

    /// <summary>Creates the list.</summary>
    /// <param name="modules">By number; null is left out.</param>
    public ModuleSlots(IEnumerable<T?> modules)
        : base("ModuleList")
    {
        foreach (var (number, module) in modules.Index())
        {
            if (module is null) continue;
            _modules.Add(number, module);
            register_module(number.ToString(CultureInfo.InvariantCulture), module);
        }
    }

    /// <summary>The module of a number; null where it is left out.</summary>
    public T? this[int number] => _modules.GetValueOrDefault(number);
}
