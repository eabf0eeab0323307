using TorchSharp;

namespace Frostline.Freezing;

/// <summary>Why a trained parameter has most likely not moved, as far as its gradient tells.</summary>
internal static class UnmovedCause
{
    internal static string Of(torch.Tensor? parameter)
    {
        if (parameter is null) return "it is gone";
        using var gradient = parameter.grad;
        if (gradient is null) return "no gradient reached it: it is unused, cut off by detach() or no_grad, or nothing was trained yet";
        using var noGrad = torch.no_grad();
        using var any = gradient.count_nonzero();
        return any.item<long>() == 0
            ? "its gradient is zero throughout"
            : "it has a gradient: no step was made, the optimizer lacks it, or its steps are too small to change a bit";
    }
}
