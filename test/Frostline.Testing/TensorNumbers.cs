using TorchSharp;

namespace Frostline.Testing;

/// <summary>
/// The number in a tensor of one element. TorchSharp's own conversions read a native number that a garbage collection may have freed, and
/// then end the process now and then.
/// </summary>
public static class TensorNumbers
{
    /// <summary>The number as a double, whatever the tensor's type.</summary>
    public static double Number(this torch.Tensor tensor)
    {
        using var copy = tensor.detach().to(torch.ScalarType.Float64);
        return copy.item<double>();
    }

    /// <summary>The whole number, whatever the tensor's type.</summary>
    public static long WholeNumber(this torch.Tensor tensor)
    {
        using var copy = tensor.detach().to(torch.ScalarType.Int64);
        return copy.item<long>();
    }
}
