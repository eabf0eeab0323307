using System.Globalization;

namespace Frostline.Checkpoints;

/// <summary>What a TensorProto message says, without its data.</summary>
internal sealed class OnnxTensorProto
{
    private const int NameField = 8;

    private static readonly Dictionary<int, ProtobufValues> s_none = [];

    // Made when they are needed: a file may hold many tensors of a few bytes.
    private List<long>? _shape;
    private Dictionary<int, ProtobufValues>? _typed;
    private Dictionary<string, string>? _external;
    private bool _isExternal;

    public string Name { get; private set; } = "";

    public long DataType { get; private set; }

    /// <summary>Whether it is a part of a larger tensor, which no exporter writes.</summary>
    public bool IsSegment { get; private set; }

    public IReadOnlyList<long> Shape => _shape ?? [];

    /// <summary>The raw data; empty where there are none.</summary>
    public ByteRange Raw { get; private set; }

    /// <summary>The typed fields that hold something, by number.</summary>
    public IReadOnlyDictionary<int, ProtobufValues> Typed => _typed ?? s_none;

    /// <summary>The entries that say where the data lie in another file; null where they lie in this one.</summary>
    public IReadOnlyDictionary<string, string>? External => _isExternal ? _external ?? [] : null;

    /// <exception cref="CheckpointException">The message is damaged.</exception>
    public static OnnxTensorProto Read(OnnxContext context, ByteLease lease, ByteRange message)
    {
        var tensor = new OnnxTensorProto();
        var reader = new ProtobufReader(context.Bytes, lease, message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: tensor.AddSize(context, lease, ref reader); break;
                case 2: tensor.DataType = reader.ReadNumber(); break;
                case 3: (tensor.IsSegment, _) = (true, reader.ReadRange()); break;
                case NameField: tensor.Name = context.ReadText(lease, reader.ReadRange()); break;
                case 9: tensor.Raw = reader.ReadRange(); break;
                case 13: tensor.AddExternal(context, lease, reader.ReadRange()); break;
                case 14: tensor._isExternal = reader.ReadNumber() == 1; break;
                default: tensor.AddTyped(context, lease, ref reader); break;
            }
        }

        context.Count(tensor.Typed.Values.Sum(values => (long)values.PieceCount));
        return tensor;
    }

    /// <summary>Reads only the name, which is all that is wanted of a sparse tensor.</summary>
    public static string ReadName(OnnxContext context, ByteLease lease, ByteRange message)
    {
        var name = "";
        var reader = new ProtobufReader(context.Bytes, lease, message);
        while (reader.Next())
        {
            if (reader.Field == NameField) name = context.ReadText(lease, reader.ReadRange());
            else reader.Skip();
        }

        return name;
    }

    /// <summary>A whole number among the entries about external data.</summary>
    /// <exception cref="CheckpointException">It is none, or negative.</exception>
    public long? ExternalNumber(string key, ByteSource bytes)
    {
        if (_external is null || !_external.TryGetValue(key, out var text)) return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw bytes.Error($"tensor \"{Name}\": {key} of its external data is no whole number");
    }

    private void AddSize(OnnxContext context, ByteLease lease, ref ProtobufReader reader)
    {
        if (reader.Wire != WireType.Length)
        {
            AddSize(context, reader.ReadNumber());
            return;
        }

        var packed = new ProtobufReader(context.Bytes, lease, reader.ReadRange());
        while (!packed.IsAtEnd) AddSize(context, (long)packed.ReadVarint());
    }

    private void AddSize(OnnxContext context, long size)
    {
        if (size < 0) throw context.Bytes.Error($"a tensor{(Name.Length > 0 ? $" \"{Name}\"" : "")} has the size {size}");
        _shape ??= [];
        if (_shape.Count == CheckpointLimits.Rank)
            throw context.Bytes.Error($"a tensor has more than {CheckpointLimits.Rank} dimensions, the limit");
        _shape.Add(size);
    }

    private void AddTyped(OnnxContext context, ByteLease lease, ref ProtobufReader reader)
    {
        if (OnnxTypes.WireOf(reader.Field) is not { } wire)
        {
            reader.Skip();
            return;
        }

        if (!Typed.TryGetValue(reader.Field, out var values)) values = new ProtobufValues(context.Bytes, wire);
        values.Add(ref reader, lease);
        if (values.Count > 0) (_typed ??= [])[reader.Field] = values;
    }

    private void AddExternal(OnnxContext context, ByteLease lease, ByteRange message)
    {
        var (key, value) = context.ReadEntry(lease, message);
        (_external ??= new(StringComparer.Ordinal))[key] = value;
    }
}
