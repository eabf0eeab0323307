using Frostline.Freezing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Writes down what a body computes instead of computing it. Shapes are followed by <see cref="CostOperations"/>. Only a pure function can
/// be recorded: norms and dropout in inference mode, and nothing opaque.
/// </summary>
internal sealed class RecordingOperations : Operations
{
    private readonly CostOperations _shapes = new();
    private readonly List<GraphNode> _nodes = [];

    /// <summary>The nodes so far, each behind what it reads.</summary>
    internal IReadOnlyList<GraphNode> Nodes => _nodes;

    /// <summary>An input of the graph.</summary>
    internal Value Input(string name, IReadOnlyList<long> shape) => Record(new InputStep(name), CostOperations.Of(shape));

    /// <summary>The node of a value.</summary>
    internal static GraphNode NodeOf(Value value) => Cast(value).Node;

    public override Value Convolution(Convolution convolution, Value x)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        if (convolution.padding_mode != TorchSharp.PaddingModes.Zeros)
            throw new NotCompilableException($"a {convolution.GetName()} pads by {convolution.padding_mode}, which cannot be recorded");
        return Record(ConvolutionStep.Of(convolution), _shapes.Convolution(convolution, Shape(x)), x);
    }

    public override Value DeformableConvolution(DeformableConvolution convolution, Value x, Value offset, Value? mask = null)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        var shape = _shapes.DeformableConvolution(convolution, Shape(x), Shape(offset), mask is null ? null : Shape(mask));
        var groups = convolution.Geometry.Sizes(x.Shape, offset.Shape, mask?.Shape).OffsetGroups;
        return Record(
            new DeformableConvolutionStep(convolution.Weight, convolution.Bias, convolution.Geometry, groups), shape, [.. new[] { x, offset, mask }.OfType<Value>()]);
    }

    public override Value Norm(nn.Module<Tensor, Tensor> norm, Value x) => Record(StepOf(norm), _shapes.Norm(norm, Shape(x)), x);

    public override Value Activation(ActivationKind kind, Value x) => Record(new ActivationStep(kind), _shapes.Activation(kind, Shape(x)), x);

    public override Value MaxPool(Window window, Value x) => Record(new MaxPoolStep(window), _shapes.MaxPool(window, Shape(x)), x);

    public override Value AveragePool(Window window, Value x, bool countPadding = true) =>
        Record(new AveragePoolStep(window, countPadding), _shapes.AveragePool(window, Shape(x), countPadding), x);

    public override Value AdaptiveAveragePool(long height, long width, Value x) =>
        Record(new AdaptiveAveragePoolStep(height, width), _shapes.AdaptiveAveragePool(height, width, Shape(x)), x);

    public override Value Linear(Linear linear, Value x)
    {
        ArgumentNullException.ThrowIfNull(linear);
        return Record(new LinearStep(linear.weight!, linear.bias), _shapes.Linear(linear, Shape(x)), x);
    }

    public override Value Add(Value a, Value b) => Record(new AddStep(), _shapes.Add(Shape(a), Shape(b)), a, b);

    public override Value Scale(Value x, double factor) => Record(new ScaleStep(factor), _shapes.Scale(Shape(x), factor), x);

    public override Value Translate(Value x, Value translation) =>
        Record(new TranslateStep(), _shapes.Translate(Shape(x), Shape(translation)), x, translation);

    public override Value Concatenate(IReadOnlyList<Value> values, int dimension = 1)
    {
        ArgumentNullException.ThrowIfNull(values);
        return Record(new ConcatenateStep(dimension), _shapes.Concatenate([.. values.Select(Shape)], dimension), [.. values]);
    }

    public override Value Flatten(Value x, int from = 1) => Record(new FlattenStep(from), _shapes.Flatten(Shape(x), from), x);

    public override Value Reshape(Value x, IReadOnlyList<long> shape) => Record(new ReshapeStep([.. shape]), _shapes.Reshape(Shape(x), shape), x);

    public override Value Slice(Value x, int dimension, long start, long end = long.MaxValue, long step = 1) =>
        Record(new SliceStep(dimension, start, end, step), _shapes.Slice(Shape(x), dimension, start, end, step), x);

    public override Value Pad(Value x, IReadOnlyList<long> padding) => Record(new PadStep([.. padding]), _shapes.Pad(Shape(x), padding), x);

    public override Value Resize(Value x, long height, long width, ResizeMode mode) =>
        Record(new ResizeStep(height, width, mode), _shapes.Resize(Shape(x), height, width, mode), x);

    public override Value Dropout(nn.Module<Tensor, Tensor> dropout, Value x)
    {
        ArgumentNullException.ThrowIfNull(dropout);
        return dropout.training ? throw new NotCompilableException($"an active {dropout.GetName()} draws at random and cannot be recorded") : x;
    }

    public override Value Block(Block block, Value x)
    {
        ArgumentNullException.ThrowIfNull(block);
        return block.Apply(this, x);
    }

    public override IReadOnlyList<Value> Group(Func<IReadOnlyList<Value>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return body();
    }

    public override IReadOnlyList<Value> Call(
        string name, Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> function, IReadOnlyList<Value> inputs, ShapeFunction? shapes = null) =>
        throw new NotCompilableException($"\"{name}\" is opaque and cannot be recorded; write it in operations");

    private static GraphStep StepOf(nn.Module<Tensor, Tensor> norm) => norm switch
    {
        FrozenBatchNorm frozen => new BatchNormStep(frozen.Mean, frozen.Variance, frozen.Weight, frozen.Bias, frozen.Epsilon),
        BatchNorm { training: true } => throw new NotCompilableException("a BatchNorm in training depends on the batch and cannot be recorded"),
        BatchNorm { running_mean: { } mean, running_var: { } variance } batch => new BatchNormStep(mean, variance, batch.weight, batch.bias, batch.eps),
        GroupNorm group => new SampleNormStep(group.weight, group.bias, group.eps, group.num_groups, []),
        LayerNorm layer => new SampleNormStep(layer.weight, layer.bias, layer.eps, 0, [.. layer.normalized_shape]),
        _ => throw new NotCompilableException($"a {norm.GetType().Name} cannot be recorded"),
    };

    private static Value Shape(Value value) => Cast(value).Inner;

    private static RecordedValue Cast(Value value) =>
        value as RecordedValue ?? throw new ArgumentException("the value belongs to another interpreter", nameof(value));

    private RecordedValue Record(GraphStep step, Value shape, params IReadOnlyList<Value> inputs)
    {
        var node = new GraphNode(_nodes.Count, step, [.. inputs.Select(NodeOf)], [.. shape.Shape]);
        _nodes.Add(node);
        return new RecordedValue(node, shape);
    }

    private sealed class RecordedValue(GraphNode node, Value inner) : Value
    {
        internal GraphNode Node { get; } = node;

        internal Value Inner { get; } = inner;

        public override IReadOnlyList<long> Shape => Inner.Shape;
    }
}
