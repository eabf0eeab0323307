using System.Text;
using System.Text.Json;

namespace Frostline.Checkpoints;

/// <summary>
/// The index of a sharded safetensors set: JSON with <c>weight_map</c>, which gives the file of each tensor, and <c>metadata</c>, whose
/// values may be anything. This is how transformers and huggingface_hub write and read it; there is no other description.
/// </summary>
internal sealed class SafetensorsIndex
{
    private const string MapKey = "weight_map";
    private const string MetadataKey = "metadata";

    // The map follows some metadata at the most.
    private const int MatchedBytes = 1 << 16;

    private readonly ByteSource _bytes;
    private bool _hasMap;

    private SafetensorsIndex(ByteSource bytes) => _bytes = bytes;

    /// <summary>The file of each tensor.</summary>
    public Dictionary<string, string> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>How many tensors each file has, in the order of the files' names.</summary>
    public SortedDictionary<string, int> Shards { get; } = new(StringComparer.Ordinal);

    /// <summary>The entries of <c>metadata</c>: texts as they are, anything else as JSON.</summary>
    public SortedDictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether the file begins like a JSON object and has the map's name near its beginning.</summary>
    public static bool Matches(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        var start = lease.Slice(0, (int)Math.Min(bytes.Length, MatchedBytes)).TrimStart(" \t\r\n"u8);
        return start is [(byte)'{', ..] && start.IndexOf("\"weight_map\""u8) > 0;
    }

    /// <exception cref="CheckpointException">The file is not such an index.</exception>
    public static SafetensorsIndex Read(ByteSource bytes)
    {
        if (bytes.Length > CheckpointLimits.SafetensorsIndexBytes)
            throw bytes.Error($"has {bytes.Length} bytes; the limit for an index is {CheckpointLimits.SafetensorsIndexBytes}");
        using var lease = bytes.Lease();
        var index = new SafetensorsIndex(bytes);
        try
        {
            index.Parse(lease.Slice(0, (int)bytes.Length));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The reader refuses text that is not valid UTF-16 with InvalidOperationException.
            throw bytes.Error($"the index is not valid JSON ({e.Message.TrimEnd('.')})", e);
        }

        if (!index._hasMap) throw bytes.Error($"the index lacks {MapKey}");
        return index;
    }

    private void Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = CheckpointLimits.Depth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            if (name == MapKey) ParseMap(ref reader);
            else if (name == MetadataKey && reader.TokenType != JsonTokenType.Null) ParseMetadata(ref reader, json);
            else reader.Skip();
        }

        // Reading on to the end refuses whatever follows the closing brace.
        while (reader.Read())
        {
        }
    }

    private void ParseMap(ref Utf8JsonReader reader)
    {
        if (_hasMap) throw _bytes.Error($"the index has {MapKey} twice");
        _hasMap = true;
        RequireObject(ref reader, MapKey);
        // One text a file, not one a tensor.
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var tensor = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw _bytes.Error($"{MapKey} gives no file name for the tensor \"{tensor}\"");
            var file = reader.GetString()!;
            if (!names.TryAdd(file, file)) file = names[file];
            else if (!SiblingFiles.IsPlain(file))
                throw _bytes.Error($"{MapKey} puts the tensor \"{tensor}\" into a file whose name is not plain; that is refused");
            if (!Files.TryAdd(tensor, file)) throw _bytes.Error($"{MapKey} has the tensor \"{tensor}\" twice");
            Shards[file] = Shards.GetValueOrDefault(file) + 1;
        }
    }

    private void ParseMetadata(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        if (Metadata.Count > 0) throw _bytes.Error($"the index has {MetadataKey} twice");
        RequireObject(ref reader, MetadataKey);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (!Metadata.TryAdd(key, ReadText(ref reader, json))) throw _bytes.Error($"{MetadataKey} has the entry \"{key}\" twice");
        }
    }

    private static string ReadText(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        if (reader.TokenType == JsonTokenType.String) return reader.GetString()!;
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return Encoding.UTF8.GetString(json[start..(int)reader.BytesConsumed]);
    }

    private void RequireObject(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw _bytes.Error($"{name} of the index is not an object");
    }
}
