using System.Globalization;

namespace Frostline.Checkpoints;

/// <summary>
/// Walks a ModelProto (onnx.proto of the ONNX project, IR version 13 and all before): what it says of itself, the initialisers of its
/// graph, and the tensors of its Constant nodes. The depth is that of the messages named here; graphs within nodes (If, Loop), functions and
/// training information are not entered.
/// </summary>
internal sealed class OnnxModel
{
    private readonly OnnxContext _context;

    private OnnxModel(ByteSource bytes) => _context = new OnnxContext(bytes);

    /// <summary>The tensors and their names: initialisers in the order of the file, then constants.</summary>
    public List<(string Name, OnnxTensorProto Tensor)> Tensors { get; } = [];

    /// <summary>What is named but not read, with a text in angle brackets.</summary>
    public List<KeyValuePair<string, object?>> Values { get; } = [];

    public SortedDictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <exception cref="CheckpointException">The file is damaged.</exception>
    public static OnnxModel Read(ByteSource bytes)
    {
        var model = new OnnxModel(bytes);
        using var lease = bytes.Lease();
        model.ReadModel(lease);
        return model;
    }

    private void ReadModel(ByteLease lease)
    {
        var reader = Reader(lease, new ByteRange(0, _context.Bytes.Length));
        var hasGraph = false;
        var (constants, properties) = (new List<(string, OnnxTensorProto)>(), new List<(string Key, string Value)>());
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: Add("ir_version", reader.ReadNumber()); break;
                case 2: Add("producer_name", _context.ReadText(lease, reader.ReadRange())); break;
                case 3: Add("producer_version", _context.ReadText(lease, reader.ReadRange())); break;
                case 4: Add("domain", _context.ReadText(lease, reader.ReadRange())); break;
                case 5: Add("model_version", reader.ReadNumber()); break;
                case 7:
                    hasGraph = true;
                    ReadGraph(lease, reader.ReadRange(), constants);
                    break;
                case 8: ReadOperatorSet(lease, reader.ReadRange()); break;
                case 14: properties.Add(_context.ReadEntry(lease, reader.ReadRange())); break;
                default: reader.Skip(); break;
            }
        }

        if (!hasGraph) throw _context.Bytes.Error("is damaged: the ONNX model has no graph");
        Tensors.AddRange(constants);
        // The model's own facts keep their names.
        foreach (var (key, value) in properties)
            if (!Metadata.TryAdd(key, value)) Metadata[$"metadata_props.{key}"] = value;
    }

    private void ReadGraph(ByteLease lease, ByteRange message, List<(string, OnnxTensorProto)> constants)
    {
        var reader = Reader(lease, message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: ReadNode(lease, reader.ReadRange(), constants); break;
                case 5:
                    var tensor = OnnxTensorProto.Read(_context, lease, reader.ReadRange());
                    AddTo(Tensors, tensor.Name, tensor);
                    break;
                case 15: ReadSparse(lease, reader.ReadRange()); break;
                default: reader.Skip(); break;
            }
        }
    }

    private void ReadNode(ByteLease lease, ByteRange message, List<(string, OnnxTensorProto)> constants)
    {
        var reader = Reader(lease, message);
        var (output, type, domain) = (default(ByteRange?), default(ByteRange), default(ByteRange));
        var attributes = default(Attributes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 2 when output is null: output = reader.ReadRange(); break;
                case 4: type = reader.ReadRange(); break;
                case 5: ReadAttribute(lease, reader.ReadRange(), ref attributes); break;
                case 7: domain = reader.ReadRange(); break;
                default: reader.Skip(); break;
            }
        }

        var isConstant = Is(lease, type, "Constant"u8) && (domain.Length == 0 || Is(lease, domain, "ai.onnx"u8));
        if (isConstant && attributes.Value is { } tensor)
            AddTo(constants, _context.ReadText(lease, output.GetValueOrDefault()), OnnxTensorProto.Read(_context, lease, tensor));
        foreach (var graph in attributes.Graphs ?? [])
        {
            _context.Count(0);
            var path = $"{_context.ReadText(lease, output.GetValueOrDefault())}/{_context.ReadText(lease, graph)}";
            Values.Add(new(path, "<graph>"));
        }
    }

    private void AddTo(List<(string, OnnxTensorProto)> list, string name, OnnxTensorProto tensor)
    {
        if (name.Length == 0) throw _context.Bytes.Error("has a tensor without a name");
        list.Add((name, tensor));
    }

    private void ReadAttribute(ByteLease lease, ByteRange message, ref Attributes attributes)
    {
        var reader = Reader(lease, message);
        var (name, tensor, hasGraph) = (default(ByteRange), default(ByteRange?), false);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: name = reader.ReadRange(); break;
                case 5: tensor = reader.ReadRange(); break;
                case 6 or 11: (hasGraph, _) = (true, reader.ReadRange()); break;
                default: reader.Skip(); break;
            }
        }

        if (tensor is not null && Is(lease, name, "value"u8)) attributes.Value = tensor;
        if (hasGraph) (attributes.Graphs ??= []).Add(name);
    }

    private void ReadSparse(ByteLease lease, ByteRange message)
    {
        var reader = Reader(lease, message);
        var name = "";
        while (reader.Next())
        {
            if (reader.Field == 1) name = OnnxTensorProto.ReadName(_context, lease, reader.ReadRange());
            else reader.Skip();
        }

        _context.Count(0);
        Values.Add(new(name, "<sparse tensor>"));
    }

    private void ReadOperatorSet(ByteLease lease, ByteRange message)
    {
        var reader = Reader(lease, message);
        var (domain, version) = ("", 0L);
        while (reader.Next())
        {
            if (reader.Field == 1) domain = _context.ReadText(lease, reader.ReadRange());
            else if (reader.Field == 2) version = reader.ReadNumber();
            else reader.Skip();
        }

        Add(domain is "" or "ai.onnx" ? "opset" : $"opset.{domain}", version);
    }

    private ProtobufReader Reader(ByteLease lease, ByteRange message) => new(_context.Bytes, lease, message);

    private static bool Is(ByteLease lease, ByteRange text, ReadOnlySpan<byte> wanted) =>
        text.Length == wanted.Length && lease.Slice(text.Start, wanted.Length).SequenceEqual(wanted);

    private void Add(string key, string value)
    {
        if (value.Length > 0) Metadata[key] = value;
    }

    private void Add(string key, long value) => Metadata[key] = value.ToString(CultureInfo.InvariantCulture);

    /// <summary>What is wanted of a node's attributes: the tensor called <c>value</c>, and the names of those that are graphs.</summary>
    private struct Attributes
    {
        public ByteRange? Value;
        public List<ByteRange>? Graphs;
    }
}
