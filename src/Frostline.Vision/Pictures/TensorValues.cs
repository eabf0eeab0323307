using TorchSharp;

namespace Frostline.Vision.Pictures;

/// <summary>Takes a tensor's values out of libtorch.</summary>
internal static class TensorValues
{
    /// <summary>
    /// The values as float32, row-major, whatever the tensor's device, strides and real type, and whether or not it requires a gradient.
    /// </summary>
    /// <exception cref="ArgumentException">Complex values.</exception>
    internal static float[] Copy(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.is_complex()) throw new ArgumentException("complex values are no picture; take abs() or real", nameof(tensor));
        using var scope = torch.NewDisposeScope();
        var dense = tensor.is_sparse ? tensor.detach().to_dense() : tensor.detach();
        return dense.to(torch.float32).cpu().contiguous().data<float>().ToArray();
    }
}
