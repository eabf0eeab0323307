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
    private readonly ModuleModes? _modes;
    private readonly IDisposable? _noGrad;

    private Inference(ModuleModes modes, IDisposable noGrad) => (_modes, _noGrad) = (modes, noGrad);

    /// <summary>Puts a module into inference mode and switches recording off on this thread.</summary>
    /// <param name="module">The module, with all below it.</param>
    public static Inference Of(torch.nn.Module module)
    {
        var modes = ModuleModes.Capture(module);
        module.eval();
        return new Inference(modes, torch.no_grad());
    }

    /// <summary>Restores every mode and the recording.</summary>
    public void Dispose()
    {
        _noGrad?.Dispose();
        _modes?.Restore();
    }
}
