using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Frostline.Checkpoints;

/// <summary>
/// Writes safetensors files. Equal input gives equal bytes: tensors in the order given, metadata sorted by key, the header
/// padded with spaces so that data begins at a multiple of 8.
/// </summary>
public static class SafetensorsWriter
{
    // Names and metadata stay readable; nothing here ends up in HTML.
    internal static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = false };

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">The tensors; each is asked for its bytes once, in this order.</param>
    /// <param name="metadata">Text entries for <c>__metadata__</c>; null or empty for none.</param>
    /// <exception cref="CheckpointException">
    /// Two tensors have one name, a name is <c>__metadata__</c> or not valid Unicode, the header exceeds the format's 100 MB,
    /// or a tensor writes more or fewer bytes than it has.
    /// </exception>
    public static void Write(string path, IReadOnlyList<TensorSource> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        // Names are checked before the file is touched.
        var header = Header(tensors, metadata);
        AtomicFile.Write(path, stream => Write(stream, header, tensors));
    }

    /// <summary>Writes to a stream.</summary>
    /// <param name="stream">Takes the file's bytes; it need not seek.</param>
    /// <param name="tensors">As in <see cref="Write(string, IReadOnlyList{TensorSource}, IReadOnlyDictionary{string, string})"/>.</param>
    /// <param name="metadata">As in <see cref="Write(string, IReadOnlyList{TensorSource}, IReadOnlyDictionary{string, string})"/>.</param>
    /// <exception cref="CheckpointException">As there.</exception>
    public static void Write(Stream stream, IReadOnlyList<TensorSource> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        Write(stream, Header(tensors, metadata), tensors);
    }

    /// <summary>
    /// Writes a sharded set as Hugging Face does: for the index <c>model.safetensors.index.json</c> the shards
    /// <c>model-00001-of-00003.safetensors</c> and so on beside it, filled in the order of the tensors. All files are complete before the
    /// first is put in place, the index last; other files in the folder stay as they are.
    /// </summary>
    /// <param name="path">The index to create or replace; its name ends in <c>.safetensors.index.json</c>.</param>
    /// <param name="tensors">The tensors; each is asked for its bytes once, in this order.</param>
    /// <param name="maximumShardBytes">
    /// The most bytes of tensors in a shard, from 1; a larger tensor has a shard for itself. Hugging Face's default is
    /// 5,000,000,000.
    /// </param>
    /// <param name="metadata">
    /// Text entries for <c>metadata</c> of the index; null or empty for none. <c>total_size</c> is added, and replaces an entry of that
    /// name; <c>format</c>, which transformers looks for (<c>pt</c>), also goes into every shard.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumShardBytes"/> is less than 1.</exception>
    /// <exception cref="CheckpointException">
    /// As for a single file, or the index has another ending, there would be more than 99,999 shards, or the index would exceed
    /// <see cref="CheckpointLimits.SafetensorsIndexBytes"/>.
    /// </exception>
    public static void WriteSharded(
        string path, IReadOnlyList<TensorSource> tensors, long maximumShardBytes, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumShardBytes, 1);
        TensorNames.RequireDistinct(tensors);
        var set = new ShardedSafetensorsWriter(path, tensors, maximumShardBytes);
        var format = metadata?.Where(entry => entry.Key == "format").ToDictionary(StringComparer.Ordinal);
        // Names are checked before any file is touched.
        var shards = set.Shards.Select(shard => (shard.Path, Header: Header(shard.Tensors, format), shard.Tensors)).ToArray();
        var index = set.Index(metadata);
        AtomicFiles.Write(
            [.. shards.Select(shard => (shard.Path, (Action<Stream>)(stream => Write(stream, shard.Header, shard.Tensors)))),
             (path, stream => stream.Write(index.Span))]);
    }

    private static void Write(Stream stream, ReadOnlyMemory<byte> header, IReadOnlyList<TensorSource> tensors)
    {
        Span<byte> length = stackalloc byte[8];
        var padding = (8 - (header.Length % 8)) % 8;
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length + padding);
        stream.Write(length);
        stream.Write(header.Span);
        stream.Write("        "u8[..padding]);
        foreach (var tensor in tensors)
        {
            using var exact = new ExactStream(tensor.Info, (bytes, _) => stream.Write(bytes));
            tensor.Write(exact);
            exact.RequireEnd();
        }
    }

    private static ReadOnlyMemory<byte> Header(IReadOnlyList<TensorSource> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        TensorNames.RequireDistinct(tensors);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal)) WriteText(json, key, value);
                json.WriteEndObject();
            }

            long offset = 0;
            foreach (var info in tensors.Select(tensor => tensor.Info))
            {
                if (info.Name == "__metadata__")
                    throw new CheckpointException("A tensor cannot be called \"__metadata__\" in a safetensors file; rename it");
                WriteTensor(json, info, offset);
                offset = checked(offset + info.ByteCount);
            }

            json.WriteEndObject();
        }

        if (buffer.WrittenCount > SafetensorsHeader.MaximumLength)
        {
            throw new CheckpointException(
                $"The header takes {buffer.WrittenCount} bytes; safetensors allows {SafetensorsHeader.MaximumLength}: shorten the metadata");
        }

        return buffer.WrittenMemory;
    }

    private static void WriteTensor(Utf8JsonWriter json, TensorInfo info, long offset)
    {
        TensorNames.RequireUnicode(info.Name);
        json.WriteStartObject(info.Name);
        json.WriteString("dtype", SafetensorsTypes.NameOf(info.Type));
        json.WriteStartArray("shape");
        foreach (var size in info.Shape) json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(checked(offset + info.ByteCount));
        json.WriteEndArray();
        json.WriteEndObject();
    }

    internal static void WriteText(Utf8JsonWriter json, string key, string value)
    {
        TensorNames.RequireUnicode(key);
        TensorNames.RequireUnicode(value);
        json.WriteString(key, value);
    }
}
