using Frostline.Modules;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>
/// Within it, a module computes as in use: inference mode, no graph. <c>using var _ = Inference.Of(network);</c>. Afterwards
/// every module below it is in the mode that it was in before, also where parents and children differed. A <c>ref struct</c>:
/// awaiting within the scope does not compile.
/// </summary>
public readonly ref struct Inference : IDisposable
{
    private readonly ThreadScope? _scope;

    private Inference(ThreadScope scope) => _scope = scope;

    /// <summary>Puts a module into inference mode and switches recording off on this thread.</summary>
    /// <param name="module">The module, with all below it.</param>
    public static Inference Of(torch.nn.Module module)
    {
        var modes = ModuleModes.Capture(module);
        try
        {
            module.eval();
            return new Inference(new ThreadScope(modes));
        }
        catch
        {
            // A module of the user's own may refuse the mode when half of the others have it.
            modes.Restore();
            throw;
        }
    }

    /// <summary>Restores every mode and the recording; again, it does nothing. Modules that were disposed meanwhile are left out.</summary>
    /// <exception cref="InvalidOperationException">Another thread than the one on which the scope began; nothing changed.</exception>
    public void Dispose() => _scope?.End();
}
