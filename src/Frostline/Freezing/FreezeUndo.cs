using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Freezing;

/// <summary>Changes a network as a plan says, and remembers how to take all of it back, also half of it.</summary>
internal sealed class FreezeUndo
{
    private readonly ModuleTree _tree;
    private readonly ModuleModes _modes;
    private readonly List<(TensorEntry Entry, bool RequiresGrad)> _requiresGrad = [];
    private readonly List<(string Name, FreezeGuard Guard)> _guards = [];

    internal FreezeUndo(ModuleTree tree)
    {
        _tree = tree;
        _modes = ModuleModes.Capture(tree);
    }

    /// <summary>The guards, by the names of the modules that they hold.</summary>
    internal IReadOnlyList<(string Name, FreezeGuard Guard)> Guards => _guards;

    internal void Apply(PlanResolution resolution)
    {
        foreach (var (entry, state, _) in resolution.Tensors)
        {
            if (entry.Kind != NodeKind.Parameter) continue;
            _requiresGrad.Add((entry, entry.Tensor.requires_grad));
            entry.Tensor.requires_grad = state == TensorState.Trained;
            // An optimizer moves whatever has a gradient, a zero one too: by momentum, weight decay and Adam's moments.
            if (state != TensorState.Trained) entry.Tensor.grad = null;
        }

        var scope = new GuardScope();
        foreach (var module in resolution.Modules.Where(module => module.Held))
        {
            var guard = FreezeGuard.On(module.Entry.Module, scope);
            if (guard is not null) _guards.Add((module.Entry.Name, guard));
            else if (module.HoldRequired)
                throw new FreezeException($"\"{module.Entry.Name}\" ({module.Entry.Module.GetType().Name}) keeps its children to itself and cannot be held in inference mode");
        }
    }

    internal void Run()
    {
        var wanted = WantedModes();
        foreach (var (_, guard) in _guards)
            if (!guard.Target.IsDisposed()) guard.Remove();
        _guards.Clear();
        ModuleModes.Restore(wanted);

        foreach (var (entry, requiresGrad) in _requiresGrad)
        {
            // to() may have replaced the parameter; the one that is there now gets what the old one had.
            var owner = _tree.Modules.First(module => module.Name == entry.Owner).Module;
            if (StructureCheck.CurrentOf(owner, entry) is Parameter { IsInvalid: false } parameter) parameter.requires_grad = requiresGrad;
        }

        _requiresGrad.Clear();
    }

    /// <summary>For the held modules and what lies in them: the mode asked for last, or else the mode that was found.</summary>
    private List<(torch.nn.Module Module, bool Training)> WantedModes()
    {
        var requested = _guards.ToDictionary(pair => pair.Name, pair => pair.Guard.Requested, StringComparer.Ordinal);
        var wanted = new List<(torch.nn.Module, bool)>();
        foreach (var (name, module, found) in _modes.Modes)
        {
            var holder = ModuleStates.SelfAndAncestors(name).FirstOrDefault(requested.ContainsKey);
            if (holder is not null) wanted.Add((module, requested[holder] ?? found));
        }

        return wanted;
    }
}
