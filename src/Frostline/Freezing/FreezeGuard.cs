using Frostline.Modules;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Freezing;

/// <summary>
/// Holds the module that it is registered on in inference mode. A module passes <c>train()</c> and <c>eval()</c> on to its
/// children, so the guard, being a child, hears of every change of mode, from wherever it was called, and takes it back at
/// once. A hook would not do: hooks run on <c>call()</c> only.
/// </summary>
/// <remarks>
/// Parameterless, because a dropout accepts no other children; identity as a function, for modules that run whatever children
/// they find. The guarded module is kept in a delegate: a field of a module type would be registered as a child.
/// </remarks>
internal sealed class FreezeGuard : ParameterLessModule<torch.Tensor, torch.Tensor>, IHiddenModule
{
    /// <summary>The name under which it is registered; no walk of Frostline's shows it.</summary>
    internal const string ReservedName = "frostline_guard";

    private readonly Func<torch.nn.Module> _target;
    private readonly GuardScope _scope;

    private FreezeGuard(torch.nn.Module target, GuardScope scope)
        : base(ReservedName)
    {
        _target = () => target;
        _scope = scope;
    }

    /// <summary>The mode that was asked for last, while the module stayed in inference mode; null where nobody asked.</summary>
    internal bool? Requested { get; private set; }

    internal torch.nn.Module Target => _target();

    /// <summary>Whether the guarded module still has the guard, and is in inference mode.</summary>
    internal bool Holds => IsRegistered && !Target.training;

    private bool IsRegistered => ModuleComponents.Children(Target).TryGetValue(ReservedName, out var child) && ReferenceEquals(child, this);

    /// <summary>Registers a guard and puts the module into inference mode.</summary>
    /// <returns>The guard, or null where the module does not tell children that it keeps elsewhere (a Sequential).</returns>
    internal static FreezeGuard? On(torch.nn.Module target, GuardScope scope)
    {
        var guard = new FreezeGuard(target, scope);
        target.register_module(ReservedName, guard);
        if (!target.named_children().Any(pair => ReferenceEquals(pair.module, guard)))
        {
            guard.Remove();
            return null;
        }

        guard.Enforce();
        return guard;
    }

    /// <summary>Takes the guard away; the module's mode stays as it is.</summary>
    internal void Remove()
    {
        // register_module(name, null) is refused by parameterless modules.
        if (IsRegistered) ModuleComponents.Children(Target).Remove(ReservedName);
        Dispose();
    }

    /// <inheritdoc/>
    public override void train(bool train = true)
    {
        if (_scope.Busy) return;
        Requested = train;
        if (train) Enforce();
    }

    /// <inheritdoc/>
    public override torch.Tensor forward(torch.Tensor input) => input.alias();

    private void Enforce()
    {
        _scope.Busy = true;
        try
        {
            Target.train(false);
        }
        finally
        {
            _scope.Busy = false;
        }
    }
}

/// <summary>Shared by the guards of one frozen model, so that none reacts to what another does.</summary>
internal sealed class GuardScope
{
    /// <summary>Whether a guard is at work.</summary>
    internal bool Busy { get; set; }
}
