using System.Runtime.InteropServices;
using TorchSharp;

namespace Frostline.Native;

/// <summary>
/// Where a tensor's elements lie. TorchSharp's own accessors check a type argument and stop at 2 GB.
/// </summary>
internal static partial class TensorMemory
{
    /// <summary>The address of the first element, on the tensor's own device; zero for a tensor without elements.</summary>
    /// <param name="tensor">The tensor; has to outlive the use of the address.</param>
    internal static nint Address(torch.Tensor tensor)
    {
        var address = THSTensor_data(tensor.Handle);
        GC.KeepAlive(tensor);
        return address;
    }

    [LibraryImport("LibTorchSharp")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint THSTensor_data(nint tensor);
}
