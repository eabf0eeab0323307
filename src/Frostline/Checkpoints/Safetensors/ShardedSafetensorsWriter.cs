using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Frostline.Checkpoints;

/// <summary>Divides tensors among shards as Hugging Face does, and writes the index that says where each went.</summary>
internal sealed class ShardedSafetensorsWriter
{
    private const string IndexEnding = ".safetensors.index.json";
    private const int MostShards = 99_999;

    private readonly List<List<TensorSource>> _shards = [];
    private readonly string _folder;
    private readonly string _stem;

    /// <exception cref="CheckpointException">The path is not that of an index, or there would be too many shards.</exception>
    public ShardedSafetensorsWriter(string path, IReadOnlyList<TensorSource> tensors, long maximumShardBytes)
    {
        var name = Path.GetFileName(path);
        if (!name.EndsWith(IndexEnding, StringComparison.Ordinal) || name.Length == IndexEnding.Length)
            throw new CheckpointException($"{path}: the index of a sharded set has to be called NAME{IndexEnding}; rename it");
        _folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        _stem = name[..^IndexEnding.Length];
        if (!SiblingFiles.IsPlain(_stem))
            throw new CheckpointException($"{path}: shards take their names from \"{_stem}\", which not every system allows; rename it");
        Divide(tensors, maximumShardBytes);
        // More digits would change the order of the names.
        if (_shards.Count > MostShards)
            throw new CheckpointException($"{path}: {_shards.Count} shards are more than {MostShards}; let them be larger");
    }

    /// <summary>The shards in order: the path of each and its tensors.</summary>
    public IEnumerable<(string Path, IReadOnlyList<TensorSource> Tensors)> Shards =>
        _shards.Select((shard, i) => (Path.Combine(_folder, NameOf(i)), (IReadOnlyList<TensorSource>)shard));

    /// <summary>The index: indented, everything sorted by name, a line feed at the end.</summary>
    public ReadOnlyMemory<byte> Index(IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, SafetensorsWriter.Options with { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            json.WriteStartObject("weight_map");
            var places = _shards.SelectMany((shard, i) => shard.Select(tensor => (tensor.Info.Name, File: NameOf(i))));
            foreach (var (name, file) in places.OrderBy(place => place.Name, StringComparer.Ordinal)) json.WriteString(name, file);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        if (buffer.WrittenCount > CheckpointLimits.SafetensorsIndexBytes)
        {
            throw new CheckpointException(
                $"The index takes {buffer.WrittenCount} bytes; the limit is {CheckpointLimits.SafetensorsIndexBytes}: shorten the metadata");
        }

        return buffer.WrittenMemory;
    }

    private void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        const string SizeKey = "total_size";
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal) { [SizeKey] = "" };
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>()) entries[key] = value;
        json.WriteStartObject("metadata");
        foreach (var (key, value) in entries)
        {
            if (key == SizeKey) json.WriteNumber(key, _shards.Sum(shard => shard.Sum(tensor => tensor.Info.ByteCount)));
            else SafetensorsWriter.WriteText(json, key, value);
        }

        json.WriteEndObject();
    }

    /// <summary>In order; a tensor that is larger than a shard may be has one for itself.</summary>
    private void Divide(IReadOnlyList<TensorSource> tensors, long maximumShardBytes)
    {
        long size = 0;
        foreach (var tensor in tensors)
        {
            if (_shards.Count == 0 || (_shards[^1].Count > 0 && tensor.Info.ByteCount > maximumShardBytes - size))
            {
                _shards.Add([]);
                size = 0;
            }

            _shards[^1].Add(tensor);
            size += tensor.Info.ByteCount;
        }
    }

    private string NameOf(int shard) =>
        string.Create(CultureInfo.InvariantCulture, $"{_stem}-{shard + 1:D5}-of-{_shards.Count:D5}.safetensors");
}
