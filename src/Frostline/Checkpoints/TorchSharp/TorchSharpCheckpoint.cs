namespace Frostline.Checkpoints;

/// <summary>What <c>module.save("x.dat")</c> or <c>tensor.Save(stream)</c> of TorchSharp wrote.</summary>
internal sealed class TorchSharpCheckpoint : Checkpoint
{
    private readonly ByteSource _bytes;
    private readonly List<TorchSharpEntry> _entries;

    private TorchSharpCheckpoint(ByteSource bytes, List<TorchSharpEntry> entries)
        : base(bytes, CheckpointFormat.TorchSharp, [.. entries.Select(entry => new TensorInfo(entry.Name, entry.Type!.Value, entry.Shape))])
    {
        _bytes = bytes;
        _entries = entries;
    }

    /// <summary>Whether a file is one of TorchSharp's, from its first byte to its last.</summary>
    public static bool Matches(ByteSource bytes) => TorchSharpIndex.Read(bytes) is not null;

    /// <exception cref="CheckpointException">The file is damaged, holds complex numbers, or a key was asked for.</exception>
    public static TorchSharpCheckpoint Open(ByteSource bytes, string? key)
    {
        if (!string.IsNullOrEmpty(key))
            throw bytes.Error($"TorchSharp's files have no nested dictionaries, so there is no key \"{key}\"; leave it out");
        var entries = TorchSharpIndex.Read(bytes) ?? throw bytes.Error("is no file of TorchSharp");
        if (entries.Find(entry => entry.Type is null) is { } complex)
            throw bytes.Error($"refused: \"{complex.Name}\" holds complex numbers, which are not supported");
        return new TorchSharpCheckpoint(bytes, entries);
    }

    private protected override void ReadPart(int index, long offset, Span<byte> destination) =>
        _bytes.CopyTo(_entries[index].Start + offset, destination);
}
