using System.Runtime.CompilerServices;
using TorchSharp;

namespace Frostline.Modules;

/// <summary>Tensors of PyTorch's meta device, which have a shape and neither memory nor values, and how they get memory.</summary>
internal static class DeferredTensor
{
    /// <summary>Whether a tensor has no memory.</summary>
    public static bool IsDeferred(torch.Tensor tensor) => tensor.device_type == DeviceType.META;

    /// <summary>
    /// Gives a tensor memory in main memory, with whatever is in it. The object stays the same, so that every module and every list
    /// that refers to it has the memory too.
    /// </summary>
    /// <exception cref="FrostlineException">This version of TorchSharp keeps a tensor's handle elsewhere.</exception>
    public static void Materialize(torch.Tensor tensor)
    {
        // Holds the other handle afterwards, and frees it.
        using var fresh = torch.empty(tensor.shape, tensor.dtype, torch.CPU, tensor.requires_grad);
        try
        {
            (HandleOf(tensor), HandleOf(fresh)) = (HandleOf(fresh), HandleOf(tensor));
        }
        catch (MissingFieldException error)
        {
            var version = typeof(torch).Assembly.GetName().Version;
            throw new FrostlineException($"TorchSharp {version} keeps a tensor's handle where Frostline cannot see it; use version 0.107", error);
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "handle")]
    private static extern ref nint HandleOf(torch.Tensor tensor);
}
