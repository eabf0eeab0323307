using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>From the shapes that an opaque function reads to the shapes that it puts out.</summary>
/// <param name="inputs">The shapes read, in order.</param>
/// <returns>The shapes put out, in order.</returns>
public delegate IReadOnlyList<IReadOnlyList<long>> ShapeFunction(IReadOnlyList<IReadOnlyList<long>> inputs);

/// <summary>
/// The operations in which the stages of a network are written. Maps are <c>[N, C, H, W]</c>. An interpreter decides what
/// they do: compute (<see cref="EagerOperations"/>), or follow shapes and count (<see cref="CostOperations"/>).
/// </summary>
public abstract class Operations
{
    /// <summary>A convolution or transposed convolution with the module's weight, bias, stride, padding, dilation and groups.</summary>
    public abstract Value Convolution(Convolution convolution, Value x);

    /// <summary>A deformable convolution.</summary>
    /// <param name="convolution">The convolution.</param>
    /// <param name="x">A map.</param>
    /// <param name="offset">How far each tap is moved, as <see cref="Staging.DeformableConvolution.forward"/> says.</param>
    /// <param name="mask">What each sample is multiplied with; default null, 1.</param>
    public abstract Value DeformableConvolution(DeformableConvolution convolution, Value x, Value offset, Value? mask = null);

    /// <summary>A norm (BatchNorm, FrozenBatchNorm, GroupNorm, LayerNorm, …) in the module's own mode: batch or running statistics.</summary>
    public abstract Value Norm(nn.Module<Tensor, Tensor> norm, Value x);

    /// <summary>An activation, element by element.</summary>
    public abstract Value Activation(ActivationKind kind, Value x);

    /// <summary>The maximum of each window of a map.</summary>
    public abstract Value MaxPool(Window window, Value x);

    /// <summary>The mean of each window of a map.</summary>
    /// <param name="window">The window.</param>
    /// <param name="x">A map.</param>
    /// <param name="countPadding">Whether padded zeros count in the mean; default true, as in PyTorch.</param>
    public abstract Value AveragePool(Window window, Value x, bool countPadding = true);

    /// <summary>Means over nearly equal regions, so that the map has the given size; 1 x 1 is the global mean.</summary>
    public abstract Value AdaptiveAveragePool(long height, long width, Value x);

    /// <summary>x W^T + b over the last dimension.</summary>
    public abstract Value Linear(Linear linear, Value x);

    /// <summary>The sum of two values of one shape.</summary>
    public abstract Value Add(Value a, Value b);

    /// <summary>A value times a number.</summary>
    public abstract Value Scale(Value x, double factor);

    /// <summary>
    /// Each map of a batch moved by a translation of its own, between its elements bilinearly, with zeros from outside: the element at (row i,
    /// column j) becomes what was at (i - down, j - right). Gradients go to the map and to the translation.
    /// </summary>
    /// <param name="x">Maps <c>[N, C, H, W]</c>.</param>
    /// <param name="translation"><c>[N, 2]</c>, in elements: how far to the right, then how far down.</param>
    public abstract Value Translate(Value x, Value translation);

    /// <summary>The values behind each other along a dimension; default the channels.</summary>
    public abstract Value Concatenate(IReadOnlyList<Value> values, int dimension = 1);

    /// <summary>All dimensions from <paramref name="from"/> on as one; default all but the batch.</summary>
    public abstract Value Flatten(Value x, int from = 1);

    /// <summary>The same elements in another shape; one size may be -1, and 0 keeps the size at that place.</summary>
    public abstract Value Reshape(Value x, IReadOnlyList<long> shape);

    /// <summary>Every <paramref name="step"/>-th element of a dimension from <paramref name="start"/> up to, without, <paramref name="end"/>.</summary>
    /// <param name="x">Any value.</param>
    /// <param name="dimension">The dimension, from 0.</param>
    /// <param name="start">The first index.</param>
    /// <param name="end">The index behind the last; <see cref="long.MaxValue"/> for the dimension's end.</param>
    /// <param name="step">The distance of two elements, at least 1; default 1.</param>
    public abstract Value Slice(Value x, int dimension, long start, long end = long.MaxValue, long step = 1);

    /// <summary>Zeros around a value.</summary>
    /// <param name="x">Any value.</param>
    /// <param name="padding">Before and after, for the last dimension first, as in PyTorch's <c>pad</c>.</param>
    public abstract Value Pad(Value x, IReadOnlyList<long> padding);

    /// <summary>A map in another size.</summary>
    public abstract Value Resize(Value x, long height, long width, ResizeMode mode);

    /// <summary>A dropout in the module's own mode: active or the identity.</summary>
    public abstract Value Dropout(nn.Module<Tensor, Tensor> dropout, Value x);

    /// <summary>A block, as one unit: what it computes on the way is released when it ends.</summary>
    public abstract Value Block(Block block, Value x);

    /// <summary>
    /// Operations as one unit with any number of inputs and outputs: what they compute on the way is released when they end, as of a
    /// <see cref="Block(Staging.Block, Value)"/>.
    /// </summary>
    /// <param name="body">Computes; it must not change what it reads.</param>
    /// <returns>What the body hands back.</returns>
    public abstract IReadOnlyList<Value> Group(Func<IReadOnlyList<Value>> body);

    /// <summary>
    /// An opaque function of tensors. It can be run, but neither compiled nor exported, and its cost is known only by its
    /// shape function.
    /// </summary>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="function">From tensors, which it borrows and must not change, to new tensors.</param>
    /// <param name="inputs">What it reads.</param>
    /// <param name="shapes">From its inputs' shapes to its outputs' shapes; null where they are unknown before it runs.</param>
    /// <returns>What it puts out, in order.</returns>
    public abstract IReadOnlyList<Value> Call(
        string name, Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> function, IReadOnlyList<Value> inputs, ShapeFunction? shapes = null);

    /// <summary>max(x, 0).</summary>
    public Value Relu(Value x) => Activation(ActivationKind.Relu, x);

    /// <summary>The difference of two values of one shape.</summary>
    public Value Subtract(Value a, Value b) => Add(a, Scale(b, -1));

    /// <summary>A convolution, then a norm.</summary>
    public Value ConvolutionNorm(Convolution convolution, nn.Module<Tensor, Tensor> norm, Value x) => Norm(norm, Convolution(convolution, x));

    /// <summary>A convolution, then max(x, 0).</summary>
    public Value ConvolutionRelu(Convolution convolution, Value x) => ActivationOfFresh(ActivationKind.Relu, Convolution(convolution, x));

    /// <summary>A convolution, then a norm, then max(x, 0).</summary>
    public Value ConvolutionNormRelu(Convolution convolution, nn.Module<Tensor, Tensor> norm, Value x) =>
        ActivationOfFresh(ActivationKind.Relu, ConvolutionNorm(convolution, norm, x));

    /// <summary>The sum of two values, then max(x, 0).</summary>
    public Value AddRelu(Value a, Value b) => ActivationOfFresh(ActivationKind.Relu, Add(a, b));

    /// <summary>
    /// A module. What has an operation of its own is that operation (convolutions, norms, activations, pools, linear layers,
    /// dropout, flatten, blocks, and Sequential lists of these); anything else is opaque, and its shape unknown before it runs.
    /// </summary>
    /// <param name="module">The module; its own parameters and mode count.</param>
    /// <param name="x">What it reads.</param>
    /// <param name="shapes">From its input's shape to its output's, for an opaque module; null where unknown.</param>
    public virtual Value Call(nn.Module<Tensor, Tensor> module, Value x, ShapeFunction? shapes = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        return ModuleTranslation.TryApply(this, module, x)
            ?? Call(module.GetName(), inputs => [module.call(inputs[0])], [x], shapes)[0];
    }

    /// <summary>An opaque function of one tensor.</summary>
    /// <inheritdoc cref="Call(string, Func{IReadOnlyList{Tensor}, IReadOnlyList{Tensor}}, IReadOnlyList{Value}, ShapeFunction?)"/>
    public Value Call(string name, Func<Tensor, Tensor> function, Value x, ShapeFunction? shapes = null)
    {
        ArgumentNullException.ThrowIfNull(function);
        return Call(name, inputs => [function(inputs[0])], [x], shapes)[0];
    }

    /// <summary>
    /// An activation of a value that nobody else holds and whose own gradient does not need it, so that an interpreter may
    /// write over it.
    /// </summary>
    protected internal virtual Value ActivationOfFresh(ActivationKind kind, Value x) => Activation(kind, x);
}
