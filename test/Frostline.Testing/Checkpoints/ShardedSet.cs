using System.Text;
using System.Text.Json;
using Frostline.Checkpoints;

namespace Frostline.Testing.Checkpoints;

/// <summary>The files of a sharded safetensors set, one by one, so that they need not agree.</summary>
public static class ShardedSet
{
    /// <summary>An index as Python's json module writes it.</summary>
    /// <param name="metadata">JSON, or null for none.</param>
    /// <param name="map">The file of each tensor.</param>
    public static byte[] Index(string? metadata, params IEnumerable<(string Tensor, string File)> map)
    {
        var entries = map.Select(entry => $"    {JsonSerializer.Serialize(entry.Tensor)}: {JsonSerializer.Serialize(entry.File)}");
        var before = metadata is null ? "" : $"  \"metadata\": {metadata},\n";
        return Encoding.UTF8.GetBytes($"{{\n{before}  \"weight_map\": {{\n{string.Join(",\n", entries)}\n  }}\n}}\n");
    }

    /// <summary>A shard: a safetensors file.</summary>
    public static byte[] Shard(IReadOnlyDictionary<string, string>? metadata, params IReadOnlyList<TensorSource> tensors)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, tensors, metadata);
        return stream.ToArray();
    }
}
