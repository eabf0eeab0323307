using System.Buffers.Binary;
using System.Text.Json;

namespace Frostline.Checkpoints;

/// <summary>
/// The header of a safetensors file: its length (8 bytes, little-endian), then JSON of names, types, shapes and data offsets.
/// The rules are those of the format's own description: at most 100 MB, begins with a brace, distinct keys, data without
/// holes or overlap, ending where the file ends.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's limit on the header's length.</summary>
    public const long MaximumLength = 100_000_000;

    private const string MetadataKey = "__metadata__";
    private const int MaximumRank = 64;

    private readonly ByteSource _bytes;
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private bool _hasMetadata;

    private SafetensorsHeader(ByteSource bytes) => _bytes = bytes;

    public List<TensorInfo> Tensors { get; } = [];

    /// <summary>Where each tensor's data begins, from the start of the file.</summary>
    public List<long> Offsets { get; } = [];

    public SortedDictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether the first bytes look like safetensors.</summary>
    public static bool Matches(ByteSource bytes)
    {
        if (bytes.Length < 9) return false;
        using var lease = bytes.Lease();
        var start = lease.Slice(0, 9);
        // A true length never reaches 2^40, which zip and pickle files always do.
        return start[8] == (byte)'{' && BinaryPrimitives.ReadUInt64LittleEndian(start) < 1UL << 40;
    }

    /// <exception cref="CheckpointException">The header breaks a rule of the format.</exception>
    public static SafetensorsHeader Read(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        var length = BinaryPrimitives.ReadUInt64LittleEndian(lease.Slice(0, 8));
        if (length > MaximumLength)
            throw bytes.Error($"the safetensors header claims {length} bytes; the format allows {MaximumLength}");
        var json = lease.Slice(8, (int)length);
        if (json.IsEmpty || json[0] != (byte)'{')
            throw bytes.Error("the safetensors header does not begin with a brace at byte 8");
        var header = new SafetensorsHeader(bytes);
        try
        {
            header.Parse(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The reader refuses text that is not valid UTF-16 with InvalidOperationException.
            throw bytes.Error($"the safetensors header is not valid JSON ({OneLine(e.Message)})", e);
        }

        header.CheckLayout(8 + (long)length);
        return header;
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").TrimEnd('.');

    private void Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 4 });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == MetadataKey) ParseMetadata(ref reader);
            else ParseTensor(ref reader, name);
        }

        // Reading on to the end refuses whatever follows the closing brace, except the padding.
        while (reader.Read())
        {
        }
    }

    private void ParseMetadata(ref Utf8JsonReader reader)
    {
        if (_hasMetadata) throw _bytes.Error($"the safetensors header has {MetadataKey} twice");
        _hasMetadata = true;
        RequireObject(ref reader, MetadataKey);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw _bytes.Error($"{MetadataKey} entry \"{key}\" is not a text");
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw _bytes.Error($"{MetadataKey} has the entry \"{key}\" twice");
        }
    }

    private void ParseTensor(ref Utf8JsonReader reader, string name)
    {
        if (!_names.Add(name)) throw _bytes.Error($"the safetensors header has the tensor \"{name}\" twice");
        RequireObject(ref reader, name);
        string? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            var repeated = key switch
            {
                "dtype" => type is not null,
                "shape" => shape is not null,
                "data_offsets" => offsets is not null,
                _ => false,
            };
            if (repeated) throw _bytes.Error($"tensor \"{name}\" has {key} twice");
            switch (key)
            {
                case "dtype" when reader.TokenType == JsonTokenType.String: type = reader.GetString(); break;
                case "shape": shape = ReadNumbers(ref reader, name, key, MaximumRank); break;
                case "data_offsets": offsets = ReadNumbers(ref reader, name, key, 2); break;
                default: throw _bytes.Error($"tensor \"{name}\" has the unexpected entry \"{key}\"");
            }
        }

        if (type is null || shape is null || offsets is not { Length: 2 })
            throw _bytes.Error($"tensor \"{name}\" lacks dtype, shape or two data_offsets");
        if (!SafetensorsTypes.TryParse(type, out var parsed))
            throw _bytes.Error($"tensor \"{name}\" has the unsupported type {type}");
        Add(new TensorInfo(name, parsed, shape), offsets[0], offsets[1]);
    }

    private void Add(TensorInfo info, long begin, long end)
    {
        long size;
        try
        {
            size = info.ByteCount;
        }
        catch (OverflowException e)
        {
            throw _bytes.Error($"tensor \"{info.Name}\" {info.ShapeText} is larger than 64 bits can count", e);
        }

        if (end < begin || end - begin != size)
            throw _bytes.Error($"tensor \"{info.Name}\" {info.Type} {info.ShapeText} needs {size} bytes, its data_offsets give {begin} to {end}");
        Tensors.Add(info);
        Offsets.Add(begin);
    }

    private void RequireObject(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw _bytes.Error($"safetensors header entry \"{name}\" is not an object");
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string key, int most)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw _bytes.Error($"tensor \"{name}\": {key} is not a list");
        Span<long> numbers = stackalloc long[most];
        var count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
                throw _bytes.Error($"tensor \"{name}\": {key} holds something other than non-negative integers");
            if (count == most) throw _bytes.Error($"tensor \"{name}\": {key} has more than {most} entries");
            numbers[count++] = number;
        }

        return numbers[..count].ToArray();
    }

    /// <summary>Data without holes or overlap from the end of the header to the end of the file.</summary>
    private void CheckLayout(long start)
    {
        var order = new int[Tensors.Count];
        var isSorted = true;
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
            isSorted &= i == 0 || Offsets[i - 1] + Tensors[i - 1].ByteCount == Offsets[i];
        }

        // Most files are in order. An empty tensor comes before the one that begins where it lies.
        if (!isSorted) Array.Sort(order, (a, b) => (Offsets[a], Tensors[a].ByteCount).CompareTo((Offsets[b], Tensors[b].ByteCount)));
        long end = 0;
        foreach (var i in order)
        {
            if (Offsets[i] != end)
            {
                var fault = Offsets[i] < end ? "overlaps the tensor before it" : "leaves a hole before it";
                throw _bytes.Error($"tensor \"{Tensors[i].Name}\" begins at data byte {Offsets[i]} instead of {end} and {fault}");
            }

            // Both summands were read as non-negative 64-bit numbers whose sum is the tensor's end, itself read as such.
            end += Tensors[i].ByteCount;
        }

        if (end != _bytes.Length - start)
        {
            var fault = end > _bytes.Length - start ? "the file is cut short; copy or download it again" : "bytes follow the last tensor";
            throw _bytes.Error($"the tensors take {end} bytes, the file holds {_bytes.Length - start} after its header: {fault}");
        }

        for (var i = 0; i < Offsets.Count; i++) Offsets[i] += start;
    }
}
