using TorchSharp;

namespace Frostline.Modules;

/// <summary>The mode of every module of a network at one moment; see <see cref="Restore()"/>.</summary>
/// <remarks>
/// <c>train()</c> on a parent overwrites the modes of all below it, so a single mode cannot be restored by a call on the root.
/// </remarks>
public sealed class ModuleModes
{
    private ModuleModes(IReadOnlyList<(string Name, torch.nn.Module Module, bool Training)> modes) => Modes = modes;

    internal IReadOnlyList<(string Name, torch.nn.Module Module, bool Training)> Modes { get; }

    /// <summary>Notes the mode of a module and of everything below it.</summary>
    public static ModuleModes Capture(torch.nn.Module module) => Capture(ModuleTree.Of(module));

    /// <summary>Puts every module back into the mode that was noted. What a frozen model holds in inference mode stays there.</summary>
    public void Restore() => Restore(Modes.Select(mode => (mode.Module, mode.Training)));

    /// <summary>
    /// Each module once, in the order of its last place in the tree: so a shared module comes after all of its parents, the mode of each
    /// of which would overwrite its own.
    /// </summary>
    internal static ModuleModes Capture(ModuleTree tree) =>
        new([.. tree.Modules
            .Reverse()
            .DistinctBy(entry => entry.Module, ReferenceEqualityComparer.Instance)
            .Reverse()
            .Select(entry => (entry.AliasOf ?? entry.Name, entry.Module, entry.Module.training))]);

    /// <summary>
    /// Sets modes, parents before children: a parent's call overwrites what lies below, which comes later. What was disposed meanwhile has
    /// no mode.
    /// </summary>
    internal static void Restore(IEnumerable<(torch.nn.Module Module, bool Training)> modes)
    {
        foreach (var (module, training) in modes)
            if (!module.IsDisposed() && module.training != training) module.train(training);
    }
}

/// <summary>What TorchSharp does not tell of its modules.</summary>
internal static class ModuleLife
{
    /// <summary>Whether the module was disposed.</summary>
    internal static bool IsDisposed(this torch.nn.Module module)
    {
        try
        {
            _ = module.training;
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }
}
