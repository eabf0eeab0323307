using Frostline.Native;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>What PyTorch shows as <c>tensor.grad_fn</c> and TorchSharp does not.</summary>
public static class GradientFunction
{
    /// <summary>
    /// The operation that computed a tensor, named as PyTorch prints it: <c>MulBackward0</c>. Null for leaves (parameters and other tensors
    /// made by hand), for detached tensors, and for what was computed without a graph.
    /// </summary>
    /// <param name="tensor">Any tensor; it is not changed.</param>
    /// <exception cref="PlatformNotSupportedException">
    /// The tensor requires a gradient, and gradient graphs cannot be read here: another system than Linux x64, or another libtorch.
    /// </exception>
    public static string? GradFn(this torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!tensor.requires_grad) return null;
        var nodes = AutogradNodes.Current;
        using var hold = new AutogradHold(tensor);
        var node = hold.Root(nodes).Node;
        return nodes.IsAccumulator(node) ? null : nodes.NameOf(node);
    }
}
