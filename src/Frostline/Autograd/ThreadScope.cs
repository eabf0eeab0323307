using Frostline.Modules;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>
/// What a scope without recording has to take back, once, and on the thread on which it began: libtorch's switch belongs to the thread.
/// </summary>
internal sealed class ThreadScope
{
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly ModuleModes? _modes;
    private readonly IDisposable _noGrad;
    private bool _ended;

    /// <summary>Switches recording off on this thread.</summary>
    /// <param name="modes">The modes to restore at the end, or null.</param>
    internal ThreadScope(ModuleModes? modes)
    {
        _modes = modes;
        _noGrad = torch.no_grad();
    }

    /// <summary>Takes everything back; again, it does nothing.</summary>
    /// <exception cref="InvalidOperationException">Another thread than the one on which the scope began; nothing changed.</exception>
    internal void End()
    {
        var thread = Environment.CurrentManagedThreadId;
        if (thread != _thread)
            throw new InvalidOperationException($"a scope without gradients began on thread {_thread} and cannot end on thread {thread}");
        if (_ended) return;
        _ended = true;
        _noGrad.Dispose();
        _modes?.Restore();
    }
}
