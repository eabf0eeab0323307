namespace Frostline.Checkpoints;

/// <summary>A tensor of an ONNX model and where its elements lie.</summary>
/// <param name="Info">Name, type and shape.</param>
/// <param name="Source">The file that they lie in.</param>
/// <param name="Start">Where they begin, as they are wanted; unused where they are typed.</param>
/// <param name="Typed">The numbers that they have to be made of; null where they lie in the file as they are wanted.</param>
internal sealed record OnnxTensor(TensorInfo Info, ByteSource Source, long Start, ProtobufValues? Typed)
{
    /// <summary>Finds the elements and checks that they are all there.</summary>
    /// <exception cref="CheckpointException">They are not, or lie in a file that is refused.</exception>
    public static OnnxTensor Locate(ByteSource bytes, SiblingFiles siblings, OnnxTensorProto tensor, TensorInfo info)
    {
        var size = RequireSize(bytes, info);
        if (tensor.External is not null) return InFile(bytes, siblings, tensor, info, size);
        if (tensor.Raw.Length > 0 && tensor.Typed.Count > 0)
        {
            throw bytes.Error(
                $"tensor \"{info.Name}\" has raw_data and {OnnxTypes.NameOf(tensor.Typed.Keys.First())}; one of them is wrong");
        }

        if (tensor.Typed.Count > 0) return InNumbers(bytes, tensor, info);
        if (tensor.Raw.Length != size)
        {
            var remark = tensor.Raw.Length == 0 ? "; was the model exported without its parameters?" : "";
            throw bytes.Error(
                $"tensor \"{info.Name}\" {info.Type} {info.ShapeText} needs {size} bytes, its raw_data has {tensor.Raw.Length}{remark}");
        }

        return new OnnxTensor(info, bytes, tensor.Raw.Start, null);
    }

    private static long RequireSize(ByteSource bytes, TensorInfo info)
    {
        try
        {
            return info.ByteCount;
        }
        catch (OverflowException e)
        {
            throw bytes.Error($"tensor \"{info.Name}\" {info.ShapeText} is larger than 64 bits can count", e);
        }
    }

    private static OnnxTensor InNumbers(ByteSource bytes, OnnxTensorProto tensor, TensorInfo info)
    {
        var field = OnnxTypes.FieldOf(info.Type);
        var other = tensor.Typed.Keys.FirstOrDefault(key => key != field);
        if (other != 0)
        {
            throw bytes.Error(
                $"tensor \"{info.Name}\" of type {info.Type} has {OnnxTypes.NameOf(other)} instead of {OnnxTypes.NameOf(field)}");
        }

        var values = tensor.Typed[field];
        if (values.Count != info.ElementCount)
        {
            throw bytes.Error(
                $"tensor \"{info.Name}\" {info.ShapeText} has {info.ElementCount} elements, "
                + $"its {OnnxTypes.NameOf(field)} has {values.Count}");
        }

        // Floats that lie side by side need no decoding.
        return values.Start is { } start ? new OnnxTensor(info, bytes, start, null) : new OnnxTensor(info, bytes, 0, values);
    }

    private static OnnxTensor InFile(ByteSource bytes, SiblingFiles siblings, OnnxTensorProto tensor, TensorInfo info, long size)
    {
        if (!tensor.External!.TryGetValue("location", out var location))
            throw bytes.Error($"tensor \"{info.Name}\" lies in another file, but its external data have no location");
        var offset = tensor.ExternalNumber("offset", bytes) ?? 0;
        if (tensor.ExternalNumber("length", bytes) is { } length && length != size)
            throw bytes.Error($"tensor \"{info.Name}\" {info.Type} {info.ShapeText} needs {size} bytes, its external data have {length}");
        var file = siblings.Open(location.StartsWith("./", StringComparison.Ordinal) ? location[2..] : location);
        if (offset > file.Length || size > file.Length - offset)
        {
            throw bytes.Error(
                $"tensor \"{info.Name}\" lies at bytes {offset} to {offset}+{size} of {location}, which has {file.Length}; "
                + "copy or download that again");
        }

        return new OnnxTensor(info, file, offset, null);
    }
}
