namespace Frostline.Checkpoints;

/// <summary>
/// A sharded safetensors set, opened by its index: the tensors of all shards, in the order of the shards' names and in each in its own
/// order. Every shard is opened and its header checked against the index at once; data are read when they are asked for.
/// </summary>
internal sealed class ShardedSafetensorsCheckpoint : Checkpoint
{
    private readonly List<(ByteSource Shard, long Offset)> _places;

    private ShardedSafetensorsCheckpoint(ByteSource bytes, Content content, SiblingFiles shards)
        : base(bytes, CheckpointFormat.SafetensorsSharded, content.Tensors, content.Metadata, shards) => _places = content.Places;

    /// <exception cref="CheckpointException">
    /// The index or a shard is damaged, they do not agree, a shard is missing, a key was asked for, or the index is not a file in a folder.
    /// </exception>
    public static ShardedSafetensorsCheckpoint Open(ByteSource bytes, string? key)
    {
        if (!string.IsNullOrEmpty(key))
            throw bytes.Error($"safetensors files have no nested dictionaries, so there is no key \"{key}\"; leave it out");
        SiblingFiles.RequireFolder(bytes);
        var index = SafetensorsIndex.Read(bytes);
        var shards = new SiblingFiles(bytes);
        try
        {
            var content = new Content(bytes, index);
            foreach (var (name, count) in index.Shards) content.Add(name, shards.Open(name), count);
            return new ShardedSafetensorsCheckpoint(bytes, content, shards);
        }
        catch
        {
            shards.Dispose();
            throw;
        }
    }

    private protected override (ByteSource Bytes, long Start)? PlaceOf(int index) => _places[index];

    private protected override void ReadPart(int index, long offset, Span<byte> destination)
    {
        var (shard, start) = _places[index];
        shard.CopyTo(start + offset, destination);
    }

    /// <summary>What the shards hold together.</summary>
    private sealed class Content(ByteSource bytes, SafetensorsIndex index)
    {
        public List<TensorInfo> Tensors { get; } = [];

        public List<(ByteSource Shard, long Offset)> Places { get; } = [];

        public SortedDictionary<string, string> Metadata => index.Metadata;

        /// <summary>Adds a shard, which has to hold the tensors that the index puts there and no others.</summary>
        public void Add(string name, ByteSource shard, int count)
        {
            var header = ReadHeader(shard);
            for (var i = 0; i < header.Tensors.Count; i++)
            {
                var tensor = header.Tensors[i];
                if (!index.Files.TryGetValue(tensor.Name, out var file))
                    throw bytes.Error($"lacks the tensor \"{tensor.Name}\", which is in {name}; the files are not of one set");
                if (file != name)
                    throw bytes.Error($"puts the tensor \"{tensor.Name}\" into {file}, but it is in {name}; the files are not of one set");
                Tensors.Add(tensor);
                Places.Add((shard, header.Offsets[i]));
            }

            // A header's names are distinct, so only a smaller number is possible.
            if (header.Tensors.Count != count)
            {
                var present = header.Tensors.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
                var missing = index.Files.First(entry => entry.Value == name && !present.Contains(entry.Key)).Key;
                throw bytes.Error($"puts the tensor \"{missing}\" into {name}, which lacks it; the files are not of one set");
            }

            foreach (var (key, value) in header.Metadata)
            {
                if (Metadata.TryAdd(key, value) || Metadata[key] == value) continue;
                Metadata[$"{name}:{key}"] = value;
            }
        }

        private static SafetensorsHeader ReadHeader(ByteSource shard)
        {
            if (SafetensorsHeader.Matches(shard)) return SafetensorsHeader.Read(shard);
            // What is of no format at all is described there: a Git LFS pointer, a web page.
            throw shard.Error($"is {CheckpointFormats.Identify(shard)}, but only safetensors files can be shards; convert it first");
        }
    }
}
