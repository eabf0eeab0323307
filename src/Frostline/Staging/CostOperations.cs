using Frostline.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Follows shapes instead of computing, and counts multiply-adds and memory as <see cref="EagerOperations"/> would need them.
/// Touches no tensor but for the sizes of weights.
/// </summary>
public sealed class CostOperations : Operations
{
    private readonly int _elementSize;
    private List<Storage> _allocated = [];
    private long _live;

    /// <summary>Creates an interpreter with all counters at zero.</summary>
    /// <param name="elementSize">Bytes of an element; default 4, float32.</param>
    public CostOperations(int elementSize = sizeof(float))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(elementSize, 1);
        _elementSize = elementSize;
    }

    /// <summary>
    /// Multiply-adds of convolutions and linear layers so far. Norms, activations and pools, about a hundredth of these, do not
    /// count, as usual.
    /// </summary>
    public long MultiplyAdds { get; private set; }

    /// <summary>Bytes that stay until the backward pass where gradients are recorded; no tensor is counted twice.</summary>
    public long SavedBytes { get; private set; }

    /// <summary>The most bytes of new tensors that live at one moment where no gradients are recorded.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>The bytes of the largest new tensor.</summary>
    public long LargestBytes { get; private set; }

    /// <summary>A value that is only a shape.</summary>
    public static Value Of(params IReadOnlyList<long> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return new ShapeValue([.. shape], new Storage());
    }

    /// <inheritdoc/>
    public override Value Convolution(Convolution convolution, Value x)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        var input = Cast(x);
        var kernel = convolution.kernel_size;
        if (input.Shape.Count != kernel.Length + 2 || input.Shape[1] != convolution.in_channels)
            throw new FrostlineException(
                $"a {convolution.GetName()} reads {convolution.in_channels} channels and {kernel.Length} further dimensions " +
                $"but gets {x.ShapeText}");
        var shape = new long[input.Shape.Count];
        (shape[0], shape[1]) = (input.Shape[0], convolution.out_channels);
        for (var i = 0; i < kernel.Length; i++) shape[i + 2] = Extent(convolution, i, input.Shape[i + 2]);

        // What is multiplied once for each weight: the outputs, or in a transposed convolution the inputs.
        var positions = (convolution.transposed ? input.Shape : shape).Skip(2).Aggregate(shape[0], (product, size) => product * size);
        var channels = convolution.in_channels / convolution.groups * convolution.out_channels;
        MultiplyAdds += positions * kernel.Aggregate(channels, (product, size) => product * size);
        if (ModuleTranslation.IsStridedPointwise(convolution)) input = New([shape[0], input.Shape[1], .. shape.Skip(2)], "slice");
        Save(input.Storage);
        return New(shape, convolution.GetName());
    }

    /// <inheritdoc/>
    public override Value DeformableConvolution(DeformableConvolution convolution, Value x, Value offset, Value? mask = null)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        var read = new[] { x, offset, mask }.OfType<Value>().Select(Cast).ToList();
        var sizes = convolution.Geometry.Sizes(x.Shape, offset.Shape, mask?.Shape);
        MultiplyAdds += sizes.Samples * sizes.Positions * sizes.Rows / sizes.Geometry.Groups * sizes.Geometry.Outputs;
        foreach (var value in read) Save(value.Storage);

        // What is sampled lives until it is multiplied, a few samples at a time.
        var output = New(sizes.Shape, "deformable convolution");
        Release(New([sizes.SamplesAtOnce(Processors.PhysicalCores), sizes.Rows, sizes.Positions], "deformable convolution").Storage);
        return output;
    }

    /// <inheritdoc/>
    public override Value Norm(nn.Module<Tensor, Tensor> norm, Value x)
    {
        var input = Cast(x);
        Save(input.Storage);
        return New(input.Shape, "norm");
    }

    /// <inheritdoc/>
    public override Value Activation(ActivationKind kind, Value x)
    {
        var input = Cast(x);
        var output = New(input.Shape, "activation");
        Save(kind == ActivationKind.Relu6 ? input.Storage : output.Storage);
        return output;
    }

    /// <inheritdoc/>
    public override Value MaxPool(Window window, Value x)
    {
        var input = Cast(x);
        Save(input.Storage);
        var output = Pooled(window, input);

        // The positions of the maxima, int64, come with every maximum and stay only for the backward pass.
        var positions = new Storage(checked(output.Storage.Bytes / _elementSize * sizeof(long)));
        Allocate(positions);
        Save(positions);
        Release(positions);
        return output;
    }

    /// <inheritdoc/>
    public override Value AveragePool(Window window, Value x, bool countPadding = true)
    {
        var input = Cast(x);
        Save(input.Storage);
        return Pooled(window, input);
    }

    /// <inheritdoc/>
    public override Value AdaptiveAveragePool(long height, long width, Value x)
    {
        var input = Map(x);

        // The global mean is spread over the map backward; nothing but its size is kept.
        if (height > 1 || width > 1) Save(input.Storage);
        return New([input.Shape[0], input.Shape[1], height, width], "pool");
    }

    /// <inheritdoc/>
    public override Value Linear(Linear linear, Value x)
    {
        ArgumentNullException.ThrowIfNull(linear);
        var input = Cast(x);
        if (input.Shape.Count == 0 || input.Shape[^1] != linear.in_features)
            throw new FrostlineException($"a linear layer reads {linear.in_features} features but gets {x.ShapeText}");
        Save(input.Storage);
        var output = New([.. input.Shape.SkipLast(1), linear.out_features], "linear layer");
        MultiplyAdds += output.Storage.Bytes / _elementSize * linear.in_features;
        return output;
    }

    /// <inheritdoc/>
    public override Value Add(Value a, Value b)
    {
        var (left, right) = (Cast(a), Cast(b));
        if (!left.Shape.SequenceEqual(right.Shape))
            throw new FrostlineException($"values of the shapes {a.ShapeText} and {b.ShapeText} cannot be added");
        return New(left.Shape, "sum");
    }

    /// <inheritdoc/>
    public override Value Scale(Value x, double factor) => New(Cast(x).Shape, "product");

    /// <inheritdoc/>
    public override Value Translate(Value x, Value translation)
    {
        var (map, moved) = (Map(x), Cast(translation));
        Translation.Check(map.Shape, moved.Shape);
        Save(map.Storage);

        // Where each element is taken from.
        var grid = New([map.Shape[0], map.Shape[2], map.Shape[3], 2], "translation");
        Save(grid.Storage);
        var output = New(map.Shape, "translation");
        Release(grid.Storage);
        return output;
    }

    /// <inheritdoc/>
    public override Value Concatenate(IReadOnlyList<Value> values, int dimension = 1)
    {
        ArgumentNullException.ThrowIfNull(values);
        var first = Cast(values[0]).Shape;
        foreach (var value in values.Skip(1))
            if (value.Shape.Count != first.Count || value.Shape.Where((size, i) => i != dimension && size != first[i]).Any())
                throw new FrostlineException(
                    $"values of the shapes {values[0].ShapeText} and {value.ShapeText} cannot be joined along dimension " +
                    $"{dimension}");
        return New([.. first.Select((size, i) => i == dimension ? values.Sum(value => value.Shape[dimension]) : size)], "concatenation");
    }

    /// <inheritdoc/>
    public override Value Flatten(Value x, int from = 1)
    {
        var input = Cast(x);
        return input.Viewed([.. input.Shape.Take(from), input.Shape.Skip(from).Aggregate(1L, (product, size) => product * size)]);
    }

    /// <inheritdoc/>
    public override Value Reshape(Value x, IReadOnlyList<long> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var input = Cast(x);
        var count = input.Shape.Aggregate(1L, (product, size) => product * size);
        long[] sizes = [.. shape.Select((size, i) => size == 0 ? input.Shape[i] : size)];
        var known = sizes.Where(size => size != -1).Aggregate(1L, (product, size) => product * size);
        var free = Array.IndexOf(sizes, -1L);
        if (free >= 0 && known > 0) sizes[free] = count / known;
        return sizes.Aggregate(1L, (product, size) => product * size) == count
            ? input.Viewed(sizes)
            : throw new FrostlineException($"a value of the shape {x.ShapeText} does not fit into [{string.Join(", ", shape)}]");
    }

    /// <inheritdoc/>
    public override Value Slice(Value x, int dimension, long start, long end = long.MaxValue, long step = 1)
    {
        var input = Cast(x);
        var length = Math.Min(end, input.Shape[dimension]) - start;
        return input.Viewed([.. input.Shape.Select((size, i) => i == dimension ? Math.Max(0, (length + step - 1) / step) : size)]);
    }

    /// <inheritdoc/>
    public override Value Pad(Value x, IReadOnlyList<long> padding)
    {
        ArgumentNullException.ThrowIfNull(padding);
        var shape = Cast(x).Shape.ToArray();
        for (var i = 0; i < padding.Count; i++) shape[^((i / 2) + 1)] += padding[i];
        return New(shape, "padding");
    }

    /// <inheritdoc/>
    public override Value Resize(Value x, long height, long width, ResizeMode mode)
    {
        var input = Map(x);
        return New([input.Shape[0], input.Shape[1], height, width], "resize");
    }

    /// <inheritdoc/>
    public override Value Dropout(nn.Module<Tensor, Tensor> dropout, Value x)
    {
        ArgumentNullException.ThrowIfNull(dropout);
        var input = Cast(x);
        if (!dropout.training) return x;
        Save(New(input.Shape, "dropout").Storage);
        return New(input.Shape, "dropout");
    }

    /// <inheritdoc/>
    public override Value Block(Block block, Value x)
    {
        ArgumentNullException.ThrowIfNull(block);
        return Group(() => [block.Apply(this, x)])[0];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Value> Group(Func<IReadOnlyList<Value>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        var outer = _allocated;
        _allocated = [];
        var results = body();
        var inner = _allocated;
        _allocated = outer;
        foreach (var storage in inner)
        {
            if (results.Any(result => ReferenceEquals(storage, Cast(result).Storage))) _allocated.Add(storage);
            else Free(storage);
        }

        return results;
    }

    /// <inheritdoc/>
    public override Value Call(nn.Module<Tensor, Tensor> module, Value x, ShapeFunction? shapes = null)
    {
        if (module is not Sequential sequential) return base.Call(module, x, shapes);

        // A list releases what one module hands to the next.
        var value = x;
        foreach (var child in sequential.children().OfType<nn.Module<Tensor, Tensor>>())
        {
            var next = Call(child, value);
            if (!ReferenceEquals(Cast(next).Storage, Cast(value).Storage)) Release(Cast(value).Storage);
            value = next;
        }

        return value;
    }

    /// <inheritdoc/>
    /// <exception cref="FrostlineException">There is no shape function.</exception>
    public override IReadOnlyList<Value> Call(
        string name, Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> function, IReadOnlyList<Value> inputs, ShapeFunction? shapes = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        if (shapes is null)
            throw new FrostlineException(
                $"the cost of \"{name}\" is unknown: it is opaque, and its stage gives no shape function for it");
        foreach (var input in inputs) Save(Cast(input).Storage);
        return [.. shapes([.. inputs.Select(input => input.Shape)]).Select(shape => New(shape, name))];
    }

    /// <inheritdoc/>
    protected internal override Value ActivationOfFresh(ActivationKind kind, Value x)
    {
        if (kind != ActivationKind.Relu) return Activation(kind, x);
        Save(Cast(x).Storage);
        return x;
    }

    private static ShapeValue Cast(Value value) =>
        value as ShapeValue ?? throw new ArgumentException("the value belongs to another interpreter", nameof(value));

    private static ShapeValue Map(Value value) => Cast(value) is { Shape.Count: 4 } map
        ? map
        : throw new FrostlineException($"a pool or resize reads a map [N, C, H, W] but gets {value.ShapeText}");

    private static long Extent(Convolution convolution, int dimension, long size)
    {
        var span = (convolution.dilation[dimension] * (convolution.kernel_size[dimension] - 1)) + 1;
        var stride = convolution.stride[dimension];
        if (convolution.padding_type == Padding.Same) return size;
        var padding = convolution.padding?[dimension] ?? 0;
        return convolution.transposed
            ? ((size - 1) * stride) - (2 * padding) + span + convolution.output_padding[dimension]
            : size + (2 * padding) < span ? 0 : ((size + (2 * padding) - span) / stride) + 1;
    }

    private ShapeValue Pooled(Window window, ShapeValue input)
    {
        var map = Map(input);
        var (height, width) = window.Count(map.Shape[2], map.Shape[3]);
        return New([map.Shape[0], map.Shape[1], height, width], "pool");
    }

    private ShapeValue New(IReadOnlyList<long> shape, string what)
    {
        if (shape.Any(size => size < 1))
            throw new FrostlineException(
                $"a {what} has nothing left to put out: its output would be [{string.Join(", ", shape)}]; " +
                "the input is too small");
        var storage = new Storage(shape.Aggregate((long)_elementSize, (product, size) => checked(product * size)));
        Allocate(storage);
        return new ShapeValue(shape, storage);
    }

    private void Allocate(Storage storage)
    {
        _allocated.Add(storage);
        _live += storage.Bytes;
        PeakBytes = Math.Max(PeakBytes, _live);
        LargestBytes = Math.Max(LargestBytes, storage.Bytes);
    }

    private void Release(Storage storage)
    {
        if (_allocated.Remove(storage)) Free(storage);
    }

    private void Free(Storage storage) => _live -= storage.Bytes;

    private void Save(Storage storage)
    {
        if (storage.IsSaved) return;
        storage.IsSaved = true;
        SavedBytes += storage.Bytes;
    }

    /// <summary>Memory that one or several values (views) lie in; a network's inputs are the caller's and count nothing.</summary>
    private sealed class Storage(long bytes = 0)
    {
        public long Bytes { get; } = bytes;

        public bool IsSaved { get; set; }
    }

    private sealed class ShapeValue(IReadOnlyList<long> shape, Storage storage) : Value
    {
        public override IReadOnlyList<long> Shape { get; } = shape;

        public Storage Storage { get; } = storage;

        public ShapeValue Viewed(IReadOnlyList<long> other) => new(other, Storage);
    }
}
