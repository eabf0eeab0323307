using System.Runtime.CompilerServices;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Staging;

/// <summary>
/// Calls a BatchNorm and counts the batch itself. TorchSharp's <c>forward</c> counts with <c>add_(1)</c>, whose number the
/// garbage collector may free during the call (docs/native.md): a training would end, or count wrong. While the module runs,
/// its counter is hidden from it, so it neither counts nor derives a momentum from the count; hooks fire as ever, and find no
/// counter.
/// </summary>
internal static class CountedNorm
{
    /// <summary>Calls the norm as a module; counter and statistics move as PyTorch's do.</summary>
    /// <param name="norm">The norm.</param>
    /// <param name="input">Its input.</param>
    public static torch.Tensor Call(BatchNorm norm, torch.Tensor input)
    {
        if (!norm.training || !norm.track_running_stats || norm.num_batches_tracked is not { } counter) return norm.call(input);
        using Scalar one = 1;
        counter.add_(one, one);

        // Without a momentum every batch weighs the same: the n-th moves the average by 1/n.
        var isCumulative = norm.momentum is null;
        if (isCumulative) norm.momentum = 1 / ToDouble(counter);
        ref var hidden = ref Counter(norm);
        hidden = null;
        try
        {
            return norm.call(input);
        }
        finally
        {
            hidden = counter;
            if (isCumulative) norm.momentum = null;
        }
    }

    private static double ToDouble(torch.Tensor counter)
    {
        using var number = counter.to(torch.float64, copy: true);
        return number.item<double>();
    }

    /// <summary>The field, because the property's setter would free the tensor and take the buffer from the module.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_num_batches_tracked")]
    private static extern ref torch.Tensor? Counter(NormBase norm);
}
