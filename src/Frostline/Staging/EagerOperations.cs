using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Frostline.Staging;

/// <summary>
/// Computes with libtorch, with gradients where they are wanted. Results belong to the dispose scope that is current, as with
/// any TorchSharp operation. Layers are called as modules, so that forward hooks fire (those of a Sequential do not while it
/// holds a BatchNorm in training, whose batches are counted apart), except 1 x 1 strided convolutions:
/// these run as a strided slice and a convolution of stride 1, which is equal bit for bit in exact arithmetic and keeps clear
/// of a division by zero in oneDNN that ends the process (pytorch issue 177227).
/// </summary>
public sealed class EagerOperations : Operations
{
    private EagerOperations()
    {
    }

    /// <summary>The one instance; it has no state.</summary>
    public static EagerOperations Instance { get; } = new();

    /// <summary>A tensor as a value; the value borrows it.</summary>
    public static Value Wrap(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return new TensorValue(tensor);
    }

    /// <summary>The tensor of a value.</summary>
    /// <exception cref="ArgumentException">The value is another interpreter's.</exception>
    public static Tensor Unwrap(Value value) =>
        value is TensorValue { Tensor: var tensor }
            ? tensor
            : throw new ArgumentException("the value belongs to another interpreter", nameof(value));

    /// <summary>Runs a computation on one tensor in a scope of its own.</summary>
    /// <param name="input">What it reads; borrowed.</param>
    /// <param name="body">The computation.</param>
    /// <returns>A new tensor, owned by the caller's scope.</returns>
    public static Tensor Run(Tensor input, Func<Operations, Value, Value> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        using var scope = NewDisposeScope();
        var output = Unwrap(body(Instance, Wrap(input)));

        // A body may hand its input through; the caller gets a tensor of its own all the same.
        return scope.MoveToOuter(scope.Contains(output) ? output : output.alias());
    }

    /// <inheritdoc/>
    public override Value Convolution(Convolution convolution, Value x)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        var input = Unwrap(x);
        if (!ModuleTranslation.IsStridedPointwise(convolution) || input.dim() != 4) return Wrap(convolution.call(input));
        var rows = input.slice(2, 0, input.shape[2], convolution.stride[0]);
        var sliced = rows.slice(3, 0, input.shape[3], convolution.stride[1]).contiguous();
        return Wrap(F.conv2d(sliced, convolution.weight, convolution.bias, [1, 1], [0, 0], [1, 1], convolution.groups));
    }

    /// <inheritdoc/>
    public override Value DeformableConvolution(DeformableConvolution convolution, Value x, Value offset, Value? mask = null)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        return Wrap(convolution.call(Unwrap(x), Unwrap(offset), mask is null ? null : Unwrap(mask)));
    }

    /// <inheritdoc/>
    /// <exception cref="FrostlineException">A BatchNorm in training sees only one value a channel.</exception>
    public override Value Norm(nn.Module<Tensor, Tensor> norm, Value x)
    {
        ArgumentNullException.ThrowIfNull(norm);
        var input = Unwrap(x);
        if (norm is BatchNorm { training: true } && input.dim() >= 2 && input.numel() == input.shape[1])
            throw new FrostlineException(
                $"a BatchNorm in training needs more than one value a channel but gets {x.ShapeText}; " +
                "use a larger batch or input, or hold its statistics");
        return Wrap(norm is BatchNorm batchNorm ? CountedNorm.Call(batchNorm, input) : norm.call(input));
    }

    /// <inheritdoc/>
    public override Value Activation(ActivationKind kind, Value x)
    {
        var input = Unwrap(x);
        return Wrap(kind switch
        {
            ActivationKind.Relu => input.relu(),
            ActivationKind.Relu6 => input.relu6(),
            ActivationKind.Sigmoid => input.sigmoid(),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
        });
    }

    /// <inheritdoc/>
    public override Value MaxPool(Window window, Value x) => Wrap(F.max_pool2d(
        Unwrap(x),
        [window.KernelHeight, window.KernelWidth],
        [window.StrideHeight, window.StrideWidth],
        [window.PaddingHeight, window.PaddingWidth],
        [1, 1],
        window.Ceiling));

    /// <inheritdoc/>
    public override Value AveragePool(Window window, Value x, bool countPadding = true) => Wrap(F.avg_pool2d(
        Unwrap(x),
        [window.KernelHeight, window.KernelWidth],
        [window.StrideHeight, window.StrideWidth],
        [window.PaddingHeight, window.PaddingWidth],
        window.Ceiling,
        countPadding));

    /// <inheritdoc/>
    public override Value AdaptiveAveragePool(long height, long width, Value x) => Wrap(F.adaptive_avg_pool2d(Unwrap(x), [height, width]));

    /// <inheritdoc/>
    public override Value Linear(Linear linear, Value x)
    {
        ArgumentNullException.ThrowIfNull(linear);
        return Wrap(linear.call(Unwrap(x)));
    }

    /// <inheritdoc/>
    public override Value Add(Value a, Value b)
    {
        // Without a factor, TorchSharp makes one that may be freed during the call.
        using Scalar one = 1;
        return Wrap(Unwrap(a).add(Unwrap(b), one));
    }

    /// <inheritdoc/>
    public override Value Scale(Value x, double factor)
    {
        using Scalar held = factor;
        return Wrap(Unwrap(x).mul(held));
    }

    /// <inheritdoc/>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public override Value Translate(Value x, Value translation)
    {
        Translation.Check(x.Shape, translation.Shape);
        return Wrap(Translation.Run(Unwrap(x), Unwrap(translation)));
    }

    /// <inheritdoc/>
    public override Value Concatenate(IReadOnlyList<Value> values, int dimension = 1) => Wrap(cat([.. values.Select(Unwrap)], dimension));

    /// <inheritdoc/>
    public override Value Flatten(Value x, int from = 1) => Wrap(Unwrap(x).flatten(from));

    /// <inheritdoc/>
    public override Value Reshape(Value x, IReadOnlyList<long> shape)
    {
        ArgumentNullException.ThrowIfNull(x);
        return Wrap(Unwrap(x).reshape([.. shape.Select((size, i) => size == 0 ? x.Shape[i] : size)]));
    }

    /// <inheritdoc/>
    public override Value Slice(Value x, int dimension, long start, long end = long.MaxValue, long step = 1)
    {
        ArgumentNullException.ThrowIfNull(x);
        return Wrap(Unwrap(x).slice(dimension, start, Math.Min(end, x.Shape[dimension]), step));
    }

    /// <inheritdoc/>
    public override Value Pad(Value x, IReadOnlyList<long> padding) => Wrap(F.pad(Unwrap(x), [.. padding], PaddingModes.Constant, 0));

    /// <inheritdoc/>
    public override Value Resize(Value x, long height, long width, ResizeMode mode) => Wrap(mode switch
    {
        ResizeMode.Nearest => F.interpolate(Unwrap(x), [height, width], mode: InterpolationMode.Nearest),
        ResizeMode.Bilinear => F.interpolate(Unwrap(x), [height, width], mode: InterpolationMode.Bilinear, align_corners: false),
        ResizeMode.BilinearAlignedCorners => F.interpolate(Unwrap(x), [height, width], mode: InterpolationMode.Bilinear, align_corners: true),
        _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, null),
    });

    /// <inheritdoc/>
    public override Value Dropout(nn.Module<Tensor, Tensor> dropout, Value x)
    {
        ArgumentNullException.ThrowIfNull(dropout);

        // The identity in evaluation: no copy, and no draw from the generator.
        return dropout.training ? Wrap(dropout.call(Unwrap(x))) : x;
    }

    /// <inheritdoc/>
    public override Value Block(Block block, Value x)
    {
        ArgumentNullException.ThrowIfNull(block);
        return Wrap(block.call(Unwrap(x)));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Value> Group(Func<IReadOnlyList<Value>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        using var scope = NewDisposeScope();
        var outputs = body();
        foreach (var tensor in outputs.Select(Unwrap))
            if (scope.Contains(tensor)) scope.MoveToOuter(tensor);
        return outputs;
    }

    /// <inheritdoc/>
    public override Value Call(nn.Module<Tensor, Tensor> module, Value x, ShapeFunction? shapes = null)
    {
        ArgumentNullException.ThrowIfNull(module);

        // A list runs as a module, hooks included, unless that would reach a layer that needs care.
        return module is Sequential sequential && !NeedsCare(sequential)
            ? Wrap(sequential.call(Unwrap(x)))
            : base.Call(module, x, shapes);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Value> Call(
        string name, Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> function, IReadOnlyList<Value> inputs, ShapeFunction? shapes = null)
    {
        ArgumentNullException.ThrowIfNull(function);
        return [.. function([.. inputs.Select(Unwrap)]).Select(Wrap)];
    }

    /// <inheritdoc/>
    protected internal override Value ActivationOfFresh(ActivationKind kind, Value x) =>
        kind == ActivationKind.Relu ? Wrap(Unwrap(x).relu_()) : Activation(kind, x);

    /// <summary>
    /// Whether a list holds a convolution that has to be taken apart, or a norm that counts (<see cref="CountedNorm"/>).
    /// </summary>
    private static bool NeedsCare(Sequential sequential) => sequential.children().Any(child =>
        child is BatchNorm { training: true }
        || ModuleTranslation.IsStridedPointwise(child)
        || (child is Sequential inner && NeedsCare(inner)));

    private sealed class TensorValue(Tensor tensor) : Value
    {
        public Tensor Tensor { get; } = tensor;

        public override IReadOnlyList<long> Shape => Tensor.shape;
    }
}
