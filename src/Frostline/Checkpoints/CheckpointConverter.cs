namespace Frostline.Checkpoints;

/// <summary>A tensor that was written to another file.</summary>
/// <param name="Source">What it was.</param>
/// <param name="Written">What it is now; its name is another where a map renamed it.</param>
/// <param name="Rounded">How many finite values the new type could not hold exactly and became its nearest.</param>
/// <param name="Overflowed">How many finite values became infinite; they are not among <paramref name="Rounded"/>.</param>
public sealed record ConvertedTensor(TensorInfo Source, TensorInfo Written, long Rounded, long Overflowed);

/// <summary>What a conversion did.</summary>
/// <param name="Format">The format that was written.</param>
/// <param name="Tensors">The tensors in the order of the file.</param>
/// <param name="LeftOut">
/// What was not written: names of metadata and paths of plain values that the format has no place for, and, where tensors were
/// renamed, metadata that Frostline wrote about their old names.
/// </param>
/// <param name="Remarks">What the map has to say, such as an optional rule that matched nothing.</param>
public sealed record ConversionReport(
    CheckpointFormat Format, IReadOnlyList<ConvertedTensor> Tensors, IReadOnlyList<string> LeftOut, IReadOnlyList<string> Remarks)
{
    /// <summary>The tensors that a map gave another name.</summary>
    public IReadOnlyList<ConvertedTensor> Renamed => [.. Tensors.Where(tensor => tensor.Source.Name != tensor.Written.Name)];
}

/// <summary>
/// Writes the tensors of one checkpoint into another file: in another format, as another floating-point type, under other names.
/// </summary>
public static class CheckpointConverter
{
    // Metadata of Frostline's own describes a network by its tensors' names.
    private const string OwnMetadata = "frostline.";

    /// <summary>The format that a file's extension asks for: <c>.safetensors</c>, <c>.pth</c> or <c>.pt</c>, in any case.</summary>
    /// <param name="path">The file to be written.</param>
    /// <exception cref="CheckpointException">The extension is another.</exception>
    public static CheckpointFormat FormatOf(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var extension = Path.GetExtension(path);
        if (extension.Equals(".safetensors", StringComparison.OrdinalIgnoreCase)) return CheckpointFormat.Safetensors;
        if (extension.Equals(".pth", StringComparison.OrdinalIgnoreCase) || extension.Equals(".pt", StringComparison.OrdinalIgnoreCase))
            return CheckpointFormat.PyTorchZip;
        throw new CheckpointException($"{path}: the extension says which format to write; use .safetensors, .pth or .pt");
    }

    /// <summary>Converts a checkpoint; the file is written whole or not at all.</summary>
    /// <param name="source">The checkpoint to read; its metadata is kept where both files are safetensors.</param>
    /// <param name="path">The file to create or replace; its extension says the format, see <see cref="FormatOf"/>.</param>
    /// <param name="type">
    /// The type of all tensors whose type is one of float64, float32, float16 and bfloat16, rounded to the nearest, ties to even;
    /// null leaves every tensor as it is. Integers, booleans and 8-bit floats are never cast.
    /// </param>
    /// <param name="map">Turns the checkpoint's names into those that are written; null keeps them.</param>
    /// <exception cref="ArgumentException">The type is none of the four.</exception>
    /// <exception cref="CheckpointException">
    /// The extension is none of the three, a tensor is damaged, the format cannot hold a name, or the map does not fit the names
    /// (see <see cref="KeyMap.Apply(IReadOnlyList{string})"/>).
    /// </exception>
    public static ConversionReport Convert(Checkpoint source, string path, TensorType? type = null, KeyMap? map = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (type is { } wanted && !Elements.IsFloat(wanted))
            throw new ArgumentException($"Tensors are cast to floating-point types only, not to {wanted}.", nameof(type));
        var format = FormatOf(path);
        var names = (map ?? KeyMap.Identity).Apply([.. source.Tensors.Select(tensor => tensor.Name)]);
        var converted = new ConvertedTensor[source.Tensors.Count];
        var tensors = new TensorSource[converted.Length];
        for (var i = 0; i < converted.Length; i++)
        {
            var (at, tensor, name) = (i, source.Tensors[i], names.Pairs[i].Target);
            var cast = type is { } target && target != tensor.Type && Elements.IsFloat(tensor.Type);
            converted[i] = new(tensor, new TensorInfo(name, cast ? type!.Value : tensor.Type, tensor.Shape), 0, 0);
            tensors[i] = cast
                ? new TensorSource(converted[i].Written, stream => converted[at] = Cast(source, converted[at], stream))
                : TensorSource.From(source, tensor, name);
        }

        var metadata = format == CheckpointFormat.Safetensors ? KeptMetadata(source, converted) : [];
        if (format == CheckpointFormat.Safetensors) SafetensorsWriter.Write(path, tensors, metadata);
        else PyTorchWriter.Write(path, tensors);
        var leftOut = source.Metadata.Keys.Where(key => !metadata.ContainsKey(key));
        return new(format, converted, [.. leftOut, .. source.Values.Select(value => value.Key)], names.Remarks);
    }

    /// <summary>
    /// The size that the index of a sharded set claims is no property of its tensors, and a cast would make it wrong; what Frostline
    /// wrote about a network names its tensors.
    /// </summary>
    private static Dictionary<string, string> KeptMetadata(Checkpoint source, ConvertedTensor[] tensors)
    {
        var renamed = tensors.Any(tensor => tensor.Source.Name != tensor.Written.Name);
        return source.Metadata
            .Where(entry => source.Format != CheckpointFormat.SafetensorsSharded || entry.Key != "total_size")
            .Where(entry => !renamed || !entry.Key.StartsWith(OwnMetadata, StringComparison.Ordinal))
            .ToDictionary(StringComparer.Ordinal);
    }

    private static ConvertedTensor Cast(Checkpoint source, ConvertedTensor tensor, Stream stream)
    {
        var reader = new ElementReader(source, tensor.Source);
        var type = tensor.Written.Type;
        var bytes = new byte[ElementReader.Part * type.Size()];
        var stored = new double[ElementReader.Part];
        long rounded = 0, overflowed = 0;
        while (reader.Next())
        {
            var part = bytes.AsSpan(0, reader.Values.Length * type.Size());
            Elements.FromDouble(reader.Values, type, part);
            Elements.ToDouble(part, type, stored.AsSpan(0, reader.Values.Length));
            for (var i = 0; i < reader.Values.Length; i++)
            {
                if (!double.IsFinite(reader.Values[i]) || reader.Values[i] == stored[i]) continue;
                if (double.IsFinite(stored[i])) rounded++;
                else overflowed++;
            }

            stream.Write(part);
        }

        return tensor with { Rounded = rounded, Overflowed = overflowed };
    }
}
