namespace Frostline.Checkpoints;

/// <summary>
/// The tensors of an ONNX model: the initialisers of its graph and the values of its Constant nodes, raw or in typed fields, in the
/// model's file or in files beside it.
/// </summary>
internal sealed class OnnxCheckpoint : Checkpoint
{
    private readonly ByteSource _bytes;
    private readonly IReadOnlyList<KeyValuePair<string, object?>> _values;
    private readonly List<OnnxTensor> _tensors;

    private OnnxCheckpoint(ByteSource bytes, OnnxModel model, List<OnnxTensor> tensors, SiblingFiles siblings)
        : base(bytes, CheckpointFormat.Onnx, [.. tensors.Select(tensor => tensor.Info)], model.Metadata, siblings)
    {
        _bytes = bytes;
        _values = model.Values;
        _tensors = tensors;
    }

    public override IReadOnlyList<KeyValuePair<string, object?>> Values => _values;

    /// <exception cref="CheckpointException">
    /// The model is damaged, a file with its data is missing or too short, nothing in it can be read, or a key was asked for.
    /// </exception>
    public static OnnxCheckpoint Open(ByteSource bytes, string? key)
    {
        if (!string.IsNullOrEmpty(key))
            throw bytes.Error($"ONNX files have no nested dictionaries, so there is no key \"{key}\"; leave it out");
        var model = OnnxModel.Read(bytes);
        var siblings = new SiblingFiles(bytes);
        try
        {
            var tensors = new List<OnnxTensor>(model.Tensors.Count);
            foreach (var (name, tensor) in model.Tensors)
            {
                if (OnnxTypes.TypeOf(tensor.DataType) is not { } type) model.Values.Add(new(name, OnnxTypes.Placeholder(tensor.DataType)));
                else if (tensor.IsSegment) model.Values.Add(new(name, "<part of a tensor>"));
                else tensors.Add(OnnxTensor.Locate(bytes, siblings, tensor, new TensorInfo(name, type, [.. tensor.Shape])));
            }

            if (tensors.Count == 0 && model.Values.Count > 0)
            {
                var (first, kind) = model.Values[0];
                throw bytes.Error($"holds no tensors that can be read; the first of {model.Values.Count} values is \"{first}\": {kind}");
            }

            return new OnnxCheckpoint(bytes, model, tensors, siblings);
        }
        catch
        {
            siblings.Dispose();
            throw;
        }
    }

    /// <summary>Numbers in typed fields are decoded, since some of them may not fit their type.</summary>
    internal override void Verify()
    {
        base.Verify();
        foreach (var tensor in _tensors)
            if (tensor.Typed is not null) CopyTo(tensor.Info, Stream.Null);
    }

    private protected override void ReadPart(int index, long offset, Span<byte> destination)
    {
        var tensor = _tensors[index];
        if (tensor.Typed is { } typed) ReadTyped(tensor.Info, typed, offset, destination);
        else tensor.Source.CopyTo(tensor.Start + offset, destination);
    }

    private void ReadTyped(TensorInfo info, ProtobufValues typed, long offset, Span<byte> destination)
    {
        Span<ulong> numbers = stackalloc ulong[ProtobufValues.PieceValues];
        var size = info.Type.Size();
        var index = offset / size;
        while (destination.Length > 0)
        {
            var wanted = Math.Min(numbers.Length, destination.Length / size);
            var count = typed.Read(index, numbers[..wanted]);
            for (var i = 0; i < count; i++)
            {
                if (!OnnxTypes.Store(numbers[i], info.Type, destination.Slice(i * size, size)))
                {
                    throw _bytes.Error(
                        $"is damaged: tensor \"{info.Name}\" holds {(long)numbers[i]} at {index + i}, which is no {info.Type}");
                }
            }

            index += count;
            destination = destination[(count * size)..];
        }
    }
}
