using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Freezing;

/// <summary>Changes a network as a plan says, and remembers how to take all of it back, also half of it.</summary>
internal sealed class FreezeUndo
{
    private readonly ModuleTree _tree;
    private readonly GuardScope _scope = new();
    private readonly Dictionary<string, (TensorEntry Entry, bool RequiresGrad)> _requiresGrad = new(StringComparer.Ordinal);
    private readonly List<(string Name, FreezeGuard Guard)> _guards = [];

    /// <summary>The mode of every module when it began to be held, or, where it is not, when the last plan was applied.</summary>
    private IReadOnlyList<(string Name, torch.nn.Module Module, bool Training)> _modes = [];

    internal FreezeUndo(ModuleTree tree) => _tree = tree;

    /// <summary>The guards, by the names of the modules that they hold.</summary>
    internal IReadOnlyList<(string Name, FreezeGuard Guard)> Guards => _guards;

    /// <summary>
    /// Brings the network from whatever plan it is under to another. Guards come first: they are what may be impossible, and what was
    /// done till then is taken back by applying the former plan again.
    /// </summary>
    /// <exception cref="FreezeException">A module cannot be held in inference mode.</exception>
    internal void Apply(PlanResolution resolution)
    {
        var held = resolution.Modules.Where(module => module.Held).ToDictionary(module => module.Entry.Name, StringComparer.Ordinal);
        Release(_guards.Where(pair => !held.ContainsKey(pair.Name)).ToList());
        NoteModes();
        var guarded = _guards.Select(pair => pair.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var (name, module) in held.Where(pair => !guarded.Contains(pair.Key)))
        {
            var guard = FreezeGuard.On(module.Entry.Module, _scope);
            if (guard is not null) _guards.Add((name, guard));
            else if (module.HoldRequired)
                throw new FreezeException($"\"{name}\" ({module.Entry.Module.GetType().Name}) keeps its children to itself and cannot be held in inference mode");
        }

        foreach (var (entry, state, _, _) in resolution.Tensors)
        {
            if (entry.Kind != NodeKind.Parameter) continue;
            _requiresGrad.TryAdd(entry.Name, (entry, entry.Tensor.requires_grad));
            entry.Tensor.requires_grad = state == TensorState.Trained;
            // An optimizer moves whatever has a gradient, a zero one too: by momentum, weight decay and Adam's moments.
            if (state != TensorState.Trained) entry.Tensor.grad = null;
        }
    }

    internal void Run()
    {
        Release([.. _guards]);
        foreach (var (entry, requiresGrad) in _requiresGrad.Values)
        {
            // to() may have replaced the parameter; the one that is there now gets what the old one had.
            var owner = _tree.Modules.First(module => module.Name == entry.Owner).Module;
            if (StructureCheck.CurrentOf(owner, entry) is Parameter { IsInvalid: false } parameter) parameter.requires_grad = requiresGrad;
        }

        _requiresGrad.Clear();
    }

    private void NoteModes()
    {
        var guards = _guards.Select(pair => pair.Name).ToHashSet(StringComparer.Ordinal);
        var before = _modes.ToDictionary(mode => mode.Name, mode => mode.Training, StringComparer.Ordinal);
        _modes = [.. ModuleModes.Capture(_tree).Modes.Select(mode =>
            ModuleStates.SelfAndAncestors(mode.Name).Any(guards.Contains) ? mode with { Training = before[mode.Name] } : mode)];
    }

    /// <summary>Takes guards away, and gives the modules the modes that they would have without.</summary>
    private void Release(List<(string Name, FreezeGuard Guard)> guards)
    {
        var wanted = WantedModes(guards);
        foreach (var pair in guards)
        {
            if (!pair.Guard.Target.IsDisposed()) pair.Guard.Remove();
            _guards.Remove(pair);
        }

        ModuleModes.Restore(wanted);
    }

    /// <summary>For what only these guards hold, and what lies in it: the mode asked for last, or else the mode that was found.</summary>
    private List<(torch.nn.Module Module, bool Training)> WantedModes(List<(string Name, FreezeGuard Guard)> released)
    {
        var guards = _guards.ToDictionary(pair => pair.Name, pair => pair.Guard, StringComparer.Ordinal);
        var leaving = released.Select(pair => pair.Guard).ToHashSet();
        var wanted = new List<(torch.nn.Module, bool)>();
        foreach (var (name, module, found) in _modes)
        {
            var holder = ModuleStates.SelfAndAncestors(name).FirstOrDefault(guards.ContainsKey);
            if (holder is not null && leaving.Contains(guards[holder])) wanted.Add((module, guards[holder].Requested ?? found));
        }

        return wanted;
    }
}
