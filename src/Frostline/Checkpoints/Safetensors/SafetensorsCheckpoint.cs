namespace Frostline.Checkpoints;

/// <summary>A safetensors file.</summary>
internal sealed class SafetensorsCheckpoint : Checkpoint
{
    private readonly ByteSource _bytes;
    private readonly List<long> _offsets;

    private SafetensorsCheckpoint(ByteSource bytes, SafetensorsHeader header)
        : base(bytes, CheckpointFormat.Safetensors, header.Tensors, header.Metadata)
    {
        _bytes = bytes;
        _offsets = header.Offsets;
    }

    /// <exception cref="CheckpointException">The file is damaged, or a key was asked for.</exception>
    public static SafetensorsCheckpoint Open(ByteSource bytes, string? key)
    {
        if (!string.IsNullOrEmpty(key))
            throw bytes.Error($"safetensors files have no nested dictionaries, so there is no key \"{key}\"; leave it out");
        return new SafetensorsCheckpoint(bytes, SafetensorsHeader.Read(bytes));
    }

    private protected override (ByteSource Bytes, long Start)? PlaceOf(int index) => (_bytes, _offsets[index]);

    private protected override void ReadPart(int index, long offset, Span<byte> destination) =>
        _bytes.CopyTo(_offsets[index] + offset, destination);
}
