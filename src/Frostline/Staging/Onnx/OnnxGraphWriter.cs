using System.Globalization;
using Frostline.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Writes a recorded graph as an ONNX model (onnx.proto; each operator as its page of the ONNX operator sets says). Values are float32 or
/// whatever the weights are; spatial sizes are those of the record.
/// </summary>
internal sealed class OnnxGraphWriter
{
    // Field numbers of onnx.proto.
    private const int GraphNodes = 1, GraphInitializers = 5, GraphInputs = 11, GraphOutputs = 12;

    private readonly ProtobufWriter _graph = new();
    private readonly ProtobufWriter _initializers = new();
    private readonly OnnxExportOptions _options;
    private readonly int _type;
    private readonly DisposeScope _scope;
    private int _constants;

    private OnnxGraphWriter(OnnxExportOptions options, int type, DisposeScope scope) => (_options, _type, _scope) = (options, type, scope);

    /// <summary>Writes a model.</summary>
    /// <param name="graph">The graph, best folded.</param>
    /// <param name="options">How.</param>
    /// <exception cref="NotCompilableException">A step has no counterpart in ONNX.</exception>
    /// <exception cref="FrostlineException">The model has 2 GB or more, or the operator set is none that is written.</exception>
    internal static byte[] Write(RecordedGraph graph, OnnxExportOptions options)
    {
        options.Validate();
        var bytes = graph.Nodes.SelectMany(node => node.Step.Weights).Sum(TensorBytes.Count);
        if (bytes > int.MaxValue - (1 << 20)) throw new FrostlineException($"the model has {bytes:N0} bytes of weights; ONNX files of one piece end at 2 GB");
        var type = graph.Nodes.SelectMany(node => node.Step.Weights).Select(weight => TypeOf(weight.dtype)).FirstOrDefault(1);
        using var scope = NewDisposeScope();
        var writer = new OnnxGraphWriter(options, type, scope);
        return writer.Model(graph);
    }

    /// <summary>The operator set.</summary>
    internal int Opset => _options.Opset;

    /// <summary>The name of a node's value.</summary>
    internal static string NameOf(GraphNode node) =>
        node.Step is InputStep input ? input.Name : string.Create(CultureInfo.InvariantCulture, $"value.{node.Id}");

    /// <summary>Adds an operation.</summary>
    internal void Node(string operation, IEnumerable<string> inputs, string output, params IReadOnlyList<OnnxAttribute> attributes) =>
        _graph.Message(GraphNodes, node =>
        {
            foreach (var input in inputs) node.Text(1, input);
            node.Text(2, output);
            node.Text(3, output);
            node.Text(4, operation);
            foreach (var attribute in attributes) node.Message(5, attribute.Write);
        });

    /// <summary>Adds a weight.</summary>
    /// <returns>Its name.</returns>
    internal string Weight(Tensor tensor)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"weight.{_constants++}");
        // The model is put together at the end, when what a step has computed for itself is gone.
        var held = tensor.alias().DetachFromDisposeScope();
        _scope.Attach(held);
        _initializers.Message(GraphInitializers, initializer =>
        {
            initializer.Numbers(1, tensor.shape);
            initializer.Number(2, TypeOf(tensor.dtype));
            initializer.Text(8, name);
            initializer.Bytes(9, held);
        });
        return name;
    }

    /// <summary>Adds integers, as shapes and positions are given.</summary>
    internal string Integers(params IReadOnlyList<long> values)
    {
        using var scope = NewDisposeScope();
        return Weight(tensor([.. values], ScalarType.Int64));
    }

    /// <summary>Adds numbers of the values' type.</summary>
    internal string Numbers(double[] values, params long[] shape)
    {
        using var scope = NewDisposeScope();
        return Weight(tensor(values, shape, dtype: _type == 11 ? ScalarType.Float64 : ScalarType.Float32));
    }

    private byte[] Model(RecordedGraph graph)
    {
        foreach (var node in graph.Nodes.Where(node => node.Step is not InputStep)) OnnxSteps.Write(this, node);
        foreach (var (name, node) in graph.Outputs) Node("Identity", [NameOf(node)], name);
        _graph.Text(2, "frostline");
        _graph.Append(_initializers);
        var rows = graph.Inputs.Select(input => input.Node.Shape[0]).FirstOrDefault();
        foreach (var (name, node) in graph.Inputs) _graph.Message(GraphInputs, ValueInfo(name, node.Shape, rows));
        foreach (var (name, node) in graph.Outputs) _graph.Message(GraphOutputs, ValueInfo(name, node.Shape, rows));

        var model = new ProtobufWriter();
        // IR version 8 came with operator set 16 and is read by every runtime that knows 17; later sets ask for later ones.
        model.Number(1, _options.Opset switch { < 19 => 8, < 21 => 9, < 23 => 10, _ => 11 });
        model.Text(2, "Frostline");
        model.Text(3, typeof(OnnxGraphWriter).Assembly.GetName().Version!.ToString(3));
        model.Message(7, _graph);
        model.Message(8, set => set.Number(2, _options.Opset));
        foreach (var (key, value) in _options.Metadata.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            model.Message(14, entry =>
            {
                entry.Text(1, key);
                entry.Text(2, value);
            });
        }

        return model.ToArray();
    }

    /// <summary>
    /// A tensor of the values' type: <c>batch</c> rows where the batch is free, and the recorded sizes. What has another number of rows than the
    /// inputs, since several rows are one sample, has <c>samples</c>.
    /// </summary>
    private ProtobufWriter ValueInfo(string name, IReadOnlyList<long> shape, long rows)
    {
        var info = new ProtobufWriter();
        info.Text(1, name);
        info.Message(2, type => type.Message(1, tensor =>
        {
            tensor.Number(1, _type);
            tensor.Message(2, dimensions =>
            {
                for (var i = 0; i < shape.Count; i++)
                {
                    var (place, size) = (i, shape[i]);
                    dimensions.Message(1, dimension =>
                    {
                        if (place == 0 && _options.DynamicBatch) dimension.Text(2, size == rows ? "batch" : "samples");
                        else dimension.Required(1, size);
                    });
                }
            });
        }));
        return info;
    }

    private static int TypeOf(ScalarType type) => type switch
    {
        ScalarType.Float32 => 1,
        ScalarType.Int64 => 7,
        ScalarType.Float64 => 11,
        ScalarType.Float16 => 10,
        ScalarType.BFloat16 => 16,
        _ => throw new NotCompilableException($"weights of the type {type} have no counterpart in ONNX"),
    };
}

/// <summary>An attribute of an operation: a number, a real number, a text or a list of numbers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">A <see cref="long"/>, <see cref="float"/>, <see cref="string"/> or <see cref="long"/> array.</param>
internal readonly record struct OnnxAttribute(string Name, object Value)
{
    internal void Write(ProtobufWriter attribute)
    {
        attribute.Text(1, Name);
        switch (Value)
        {
            case float number:
                attribute.Single(2, number);
                attribute.Number(20, 1);
                break;
            case long number:
                attribute.Required(3, number);
                attribute.Number(20, 2);
                break;
            case string text:
                attribute.Text(4, text);
                attribute.Number(20, 3);
                break;
            case long[] numbers:
                attribute.Numbers(8, numbers);
                attribute.Number(20, 7);
                break;
            default:
                throw new InvalidOperationException($"no attribute is a {Value.GetType()}");
        }
    }
}
