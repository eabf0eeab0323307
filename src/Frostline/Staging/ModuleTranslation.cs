using Frostline.Freezing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Which module is which operation.</summary>
internal static class ModuleTranslation
{
    /// <summary>Applies the operations that a module stands for; null where there are none.</summary>
    public static Value? TryApply(Operations operations, nn.Module module, Value x) => module switch
    {
        Block block => operations.Block(block, x),
        Convolution convolution => operations.Convolution(convolution, x),
        NormBase or GroupNorm or LayerNorm or FrozenBatchNorm => operations.Norm((nn.Module<Tensor, Tensor>)module, x),
        Linear linear => operations.Linear(linear, x),
        MaxPool2d pool when pool.dilation is null || pool.dilation.All(d => d == 1) =>
            operations.MaxPool(WindowOf(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode), x),
        AvgPool2d pool when pool.divisor_override is null =>
            operations.AveragePool(WindowOf(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode), x, pool.count_include_pad),
        AdaptiveAvgPool2d { output_size: [var height, var width] } => operations.AdaptiveAveragePool(height, width, x),
        Dropout or Dropout1d or Dropout2d or AlphaDropout or FeatureAlphaDropout => operations.Dropout((nn.Module<Tensor, Tensor>)module, x),
        Flatten { end_dim: -1 } flatten => operations.Flatten(x, (int)flatten.start_dim),
        Identity => x,
        Sequential sequential => TryApplyAll(operations, sequential, x),
        _ => ActivationOf(module) is { } kind ? operations.Activation(kind, x) : null,
    };

    /// <summary>
    /// Whether this is the convolution whose backward ends the process on some processors (a division by zero in oneDNN,
    /// <c>est_eff_1x1</c>): 1 x 1, strided, without padding.
    /// </summary>
    public static bool IsStridedPointwise(nn.Module module) => module is Conv2d
    {
        kernel_size: [1, 1], stride: [var height, var width], padding: null or [0, 0], transposed: false,
    } && (height > 1 || width > 1);

    private static Value? TryApplyAll(Operations operations, Sequential sequential, Value x)
    {
        var children = sequential.children().ToList();
        if (!children.TrueForAll(child => child is nn.Module<Tensor, Tensor>)) return null;
        var fresh = false;
        foreach (var child in children)
        {
            x = fresh && ActivationOf(child) is { } kind
                ? operations.ActivationOfFresh(kind, x)
                : operations.Call((nn.Module<Tensor, Tensor>)child, x);
            fresh = child is Convolution or NormBase or FrozenBatchNorm;
        }

        return x;
    }

    private static ActivationKind? ActivationOf(nn.Module module) => module switch
    {
        ReLU => ActivationKind.Relu,
        ReLU6 => ActivationKind.Relu6,
        Sigmoid => ActivationKind.Sigmoid,
        _ => null,
    };

    private static Window WindowOf(long[] kernel, long[]? stride, long[]? padding, bool ceiling)
    {
        stride ??= kernel;
        padding ??= [0];
        return new(kernel[0], kernel[^1], stride[0], stride[^1], padding[0], padding[^1], ceiling);
    }
}
