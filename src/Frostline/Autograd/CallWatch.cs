using Frostline.Freezing;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>
/// Notes of each module whether it was called while a graph was recorded. Hooks fire on <c>call()</c> only, so of a module whose
/// <c>forward</c> is called nothing is known.
/// </summary>
internal sealed class CallWatch : IDisposable
{
    private readonly Dictionary<torch.nn.Module, (bool Recorded, bool Unrecorded)> _calls = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, torch.nn.Module> _modules;
    private readonly List<Action> _removals = [];

    private CallWatch(ModuleTree tree)
    {
        _modules = tree.Modules.ToDictionary(entry => entry.Name, entry => entry.Module, StringComparer.Ordinal);
        foreach (var module in _modules.Values.Distinct<torch.nn.Module>(ReferenceEqualityComparer.Instance)) Hook(module);
    }

    /// <summary>Watches all modules of a network until it is disposed; what was noted stays.</summary>
    internal static CallWatch On(ModuleTree tree) => new(tree);

    /// <summary>Whether a module computed while nothing was recorded; null where nobody knows.</summary>
    /// <param name="name">The module.</param>
    internal bool? RanWithoutRecording(string name)
    {
        if (_calls.TryGetValue(_modules[name], out var own))
        {
            if (!own.Recorded) return true;
            // What TorchSharp's own layers do inside is known; any other module may switch recording off itself.
            return ModuleTypes.IsLibraryType(_modules[name]) ? own.Unrecorded ? null : false : null;
        }

        // A module that was not called, but lies in one that was called without recording, had none either.
        var caller = ModuleStates.SelfAndAncestors(name).FirstOrDefault(ancestor => _calls.ContainsKey(_modules[ancestor]));
        return caller is not null && !_calls[_modules[caller]].Recorded ? true : null;
    }

    /// <summary>Takes the hooks away; again, it does nothing.</summary>
    public void Dispose()
    {
        foreach (var remove in _removals) remove();
        _removals.Clear();
    }

    /// <summary>The method is declared by a generic base class, so that no type says it without naming what the module takes and gives.</summary>
    private void Hook(torch.nn.Module module)
    {
        var register = module.GetType().GetMethod("register_forward_pre_hook", [typeof(Action<torch.nn.Module>)]);
        var remover = register?.Invoke(module, [(Action<torch.nn.Module>)Note]);
        if (remover?.GetType().GetMethod("remove") is { } remove) _removals.Add(() => remove.Invoke(remover, null));
    }

    private void Note(torch.nn.Module module)
    {
        var (recorded, unrecorded) = _calls.GetValueOrDefault(module);
        var now = torch.is_grad_enabled();
        _calls[module] = (recorded || now, unrecorded || !now);
    }
}
