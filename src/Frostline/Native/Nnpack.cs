using System.Runtime.InteropServices;

namespace Frostline.Native;

/// <summary>
/// Turns NNPACK off, one of the libraries that libtorch takes for convolutions of small maps. It supports few processors, and
/// on the others libtorch writes a warning to standard error before each such convolution (a CIFAR network on one image:
/// twenty). Without it libtorch takes the same path as where it is not supported.
/// </summary>
internal static class Nnpack
{
    // at::globalContext() and at::Context::setUserEnabledNNPACK(bool), as GCC and Clang spell them. What
    // torch.backends.nnpack.set_flags calls in Python; TorchSharp has no equivalent.
    private const string GlobalContext = "_ZN2at13globalContextEv";
    private const string SetEnabled = "_ZN2at7Context20setUserEnabledNNPACKEb";

    /// <summary>Turns it off; libtorch has to be loaded. Does nothing where libtorch does not offer the switch.</summary>
    public static unsafe void TurnOff()
    {
        var name = OperatingSystem.IsLinux() ? "libtorch_cpu.so" : OperatingSystem.IsMacOS() ? "libtorch_cpu.dylib" : null;

        // The loader knows a library by its own name once it is loaded; this finds that one and loads no other.
        if (name is null || !NativeLibrary.TryLoad(name, out var library)) return;
        if (!NativeLibrary.TryGetExport(library, GlobalContext, out var context) || !NativeLibrary.TryGetExport(library, SetEnabled, out var set)) return;
        ((delegate* unmanaged<nint, byte, void>)set)(((delegate* unmanaged<nint>)context)(), 0);
    }
}
