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
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = false };

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
        using (var json = new Utf8JsonWriter(buffer, s_options))
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

    private static void WriteText(Utf8JsonWriter json, string key, string value)
    {
        TensorNames.RequireUnicode(key);
        TensorNames.RequireUnicode(value);
        json.WriteString(key, value);
    }
}
