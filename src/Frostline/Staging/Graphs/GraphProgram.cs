using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Frostline.Staging;

/// <summary>
/// Runs a graph on libtorch: BatchNorms folded, no gradients recorded, each value freed after its last reader, activations and sums written
/// over what nobody else reads. Not thread-safe.
/// </summary>
internal sealed class GraphProgram : IDisposable
{
    private readonly RecordedGraph _graph;
    private readonly List<Tensor> _owned = [];
    private readonly int[] _lastUses;
    private readonly bool[] _reusable;

    /// <summary>Compiles a graph.</summary>
    /// <param name="graph">The graph; its weights must stay as they are.</param>
    /// <param name="type">What weights are rounded to after folding; null to leave them as they are. Inputs have to have that type.</param>
    /// <exception cref="NotCompilableException">A step has no kernel for the type.</exception>
    internal GraphProgram(RecordedGraph graph, ScalarType? type = null)
    {
        _graph = GraphFolding.Fold(graph, _owned);
        if (type is { } other) _graph = GraphConversion.To(_graph, other, _owned);
        _lastUses = _graph.LastUses();
        var readers = _graph.Readers();
        _reusable = [.. _graph.Nodes.Select(node => node.Step.IsFresh && readers[node.Id] == 1 && _lastUses[node.Id] < _graph.Nodes.Count)];
    }

    /// <summary>Computes.</summary>
    /// <param name="inputs">The tensors by name; borrowed.</param>
    /// <returns>New tensors by name, owned by the caller's dispose scope.</returns>
    internal IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var values = new Tensor?[_graph.Nodes.Count];
        foreach (var node in _graph.Nodes)
        {
            values[node.Id] = node.Step is InputStep input ? inputs[input.Name] : Compute(node, values);
            foreach (var read in node.Inputs)
            {
                // What was written over is the new value now, and an input is the caller's.
                if (_lastUses[read.Id] != node.Id || read.Step is InputStep || values[read.Id] is not { } value) continue;
                values[read.Id] = null;
                if (!ReferenceEquals(value, values[node.Id])) value.Dispose();
            }
        }

        var results = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, node) in _graph.Outputs)
        {
            var value = values[node.Id]!;
            // An output that is an input, or two outputs that are one value: each result is a tensor of its own.
            results[name] = scope.MoveToOuter(scope.Contains(value) && !results.ContainsValue(value) ? value : value.alias());
        }

        return results;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _owned) tensor.Dispose();
        _owned.Clear();
    }

    private Tensor Compute(GraphNode node, Tensor?[] values)
    {
        var x = values[node.Inputs[0].Id]!;
        return node.Step switch
        {
            ConvolutionStep step => Convolve(step, x),
            DeformableConvolutionStep step => DeformableFunction.Run(
                step.Geometry, x, values[node.Inputs[1].Id]!, node.Inputs.Count > 2 ? values[node.Inputs[2].Id] : null, step.Weight, step.Bias),
            LinearStep step => F.linear(x, step.Weight, step.Bias),
            BatchNormStep step => F.batch_norm(x, step.Mean, step.Variance, step.Weight, step.Bias, training: false, momentum: 0, eps: step.Epsilon),
            SampleNormStep { Groups: > 0 } step => F.group_norm(x, step.Groups, step.Weight, step.Bias, step.Epsilon),
            SampleNormStep step => F.layer_norm(x, step.Shape, step.Weight, step.Bias, step.Epsilon),
            ActivationStep step => Activate(step.Kind, x, _reusable[node.Inputs[0].Id]),
            AddStep => Add(node, values),
            TranslateStep => Translation.Run(x, values[node.Inputs[1].Id]!),
            ConcatenateStep step => cat([.. node.Inputs.Select(input => values[input.Id]!)], step.Dimension),
            FlattenStep step => x.flatten(step.From),
            ReshapeStep step => x.reshape([.. step.Shape.Select((size, i) => size == 0 ? x.shape[i] : size)]),
            SliceStep step => x.slice(step.Dimension, step.Start, Math.Min(step.End, x.shape[step.Dimension]), step.Step),
            _ => EagerOperations.Unwrap(Map(node.Step, EagerOperations.Wrap(x))),
        };
    }

    /// <summary>Steps that are one eager operation each.</summary>
    private static Value Map(GraphStep step, Value x) => step switch
    {
        MaxPoolStep pool => EagerOperations.Instance.MaxPool(pool.Window, x),
        AveragePoolStep pool => EagerOperations.Instance.AveragePool(pool.Window, x, pool.CountPadding),
        AdaptiveAveragePoolStep pool => EagerOperations.Instance.AdaptiveAveragePool(pool.Height, pool.Width, x),
        ScaleStep scale => EagerOperations.Instance.Scale(x, scale.Factor),
        PadStep pad => EagerOperations.Instance.Pad(x, pad.Padding),
        ResizeStep resize => EagerOperations.Instance.Resize(x, resize.Height, resize.Width, resize.Mode),
        _ => throw new InvalidOperationException($"unknown step {step.GetType().Name}"),
    };

    private static Tensor Convolve(ConvolutionStep step, Tensor x) => (step.IsTransposed, step.Weight.dim()) switch
    {
        (false, 3) when step.Padding is { } padding => F.conv1d(x, step.Weight, step.Bias, step.Stride[0], padding[0], step.Dilation[0], step.Groups),
        (false, 4) when step.Padding is { } padding => F.conv2d(x, step.Weight, step.Bias, step.Stride, padding, step.Dilation, step.Groups),
        (false, 5) when step.Padding is { } padding => F.conv3d(x, step.Weight, step.Bias, step.Stride, padding, step.Dilation, step.Groups),
        (false, 4) => F.conv2d(F.pad(x, SameAround(step), PaddingModes.Constant, 0), step.Weight, step.Bias, step.Stride, [0, 0], step.Dilation, step.Groups),
        (true, 4) => F.conv_transpose2d(x, step.Weight, step.Bias, step.Stride, step.Padding, step.OutputPadding, step.Dilation, step.Groups),
        _ => throw new NotCompilableException($"a {step.Describe()} has no kernel here"),
    };

    /// <summary>PyTorch's <c>same</c>: as many zeros as keep the size, the odd one behind; for the last dimension first.</summary>
    private static long[] SameAround(ConvolutionStep step)
    {
        var around = new List<long>();
        for (var i = 1; i >= 0; i--)
        {
            var total = step.Dilation[i] * (step.Weight.shape[i + 2] - 1);
            around.Add(total / 2);
            around.Add(total - (total / 2));
        }

        return [.. around];
    }

    private static Tensor Activate(ActivationKind kind, Tensor x, bool over) => (kind, over) switch
    {
        (ActivationKind.Relu, true) => x.relu_(),
        (ActivationKind.Relu, false) => x.relu(),
        (ActivationKind.Relu6, true) => x.relu6_(),
        (ActivationKind.Relu6, false) => x.relu6(),
        (ActivationKind.Sigmoid, true) => x.sigmoid_(),
        (ActivationKind.Sigmoid, false) => x.sigmoid(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    private Tensor Add(GraphNode node, Tensor?[] values)
    {
        var (a, b) = (values[node.Inputs[0].Id]!, values[node.Inputs[1].Id]!);
        // Without a factor, TorchSharp makes one that may be freed during the call.
        using Scalar one = 1;
        if (ReferenceEquals(a, b)) return a.add(b, one);
        if (_reusable[node.Inputs[0].Id]) return a.add_(b, one);
        return _reusable[node.Inputs[1].Id] ? b.add_(a, one) : a.add(b, one);
    }
}
