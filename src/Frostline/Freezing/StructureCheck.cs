using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Freezing;

/// <summary>Notices modules and parameters that came, went or were exchanged since a walk, without taking another.</summary>
internal sealed class StructureCheck
{
    private readonly List<(ModuleEntry Entry, torch.nn.Module[] Children, int Parameters, int Buffers)> _modules;
    private readonly Dictionary<string, torch.nn.Module> _byName;

    internal StructureCheck(ModuleTree tree)
    {
        var distinct = tree.Modules.Where(entry => entry.AliasOf is null).ToList();
        _byName = tree.Modules.ToDictionary(entry => entry.Name, entry => entry.Module, StringComparer.Ordinal);
        _modules = [.. distinct.Select(entry => (
            entry, ChildrenOf(entry.Module).ToArray(), ModuleComponents.Parameters(entry.Module).Count, ModuleComponents.Buffers(entry.Module).Count))];
    }

    /// <summary>The tensor that stands under a name now; null where there is none any more.</summary>
    internal torch.Tensor? Current(TensorEntry entry) => CurrentOf(_byName[entry.Owner], entry);

    internal static torch.Tensor? CurrentOf(torch.nn.Module owner, TensorEntry entry)
    {
        var local = entry.Owner.Length == 0 ? entry.Name : entry.Name[(entry.Owner.Length + 1)..];
        if (entry.Kind == NodeKind.Parameter) return ModuleComponents.Parameters(owner).TryGetValue(local, out var parameter) ? parameter : null;
        return ModuleComponents.Buffers(owner).TryGetValue(local, out var buffer) ? buffer.Tensor : null;
    }

    /// <summary>What changed, by the name of the module in which it did.</summary>
    internal IEnumerable<(string Module, string What)> Changes()
    {
        foreach (var (entry, children, parameters, buffers) in _modules)
        {
            if (!ChildrenOf(entry.Module).SequenceEqual(children, ReferenceEqualityComparer.Instance)) yield return (entry.Name, "its submodules were exchanged");
            if (ModuleComponents.Parameters(entry.Module).Count != parameters) yield return (entry.Name, "a parameter was added or taken away");
            if (ModuleComponents.Buffers(entry.Module).Count != buffers) yield return (entry.Name, "a buffer was added or taken away");
        }
    }

    private static IEnumerable<torch.nn.Module> ChildrenOf(torch.nn.Module module) =>
        module.named_children().Select(pair => pair.module).Where(child => !ModuleTypes.IsGuard(child));
}
