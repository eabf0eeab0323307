using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>What the two formats of <c>torch.save</c> share: tensors as views of storages, in nested dictionaries.</summary>
internal abstract class PyTorchCheckpoint : Checkpoint
{
    private readonly ByteSource _bytes;
    private readonly TensorTree _tree;
    private readonly bool _bigEndian;

    protected PyTorchCheckpoint(ByteSource bytes, CheckpointFormat format, TensorTree tree, bool bigEndian)
        : base(bytes, format, [.. tree.Names.Zip(tree.Tensors, (name, tensor) => new TensorInfo(name, tensor.Type, tensor.Size))])
    {
        _bytes = bytes;
        _tree = tree;
        _bigEndian = bigEndian;
    }

    public override string Key => _tree.Key;

    public override IReadOnlyList<string> Keys => _tree.Keys();

    public override IReadOnlyList<KeyValuePair<string, object?>> Values => _tree.Values();

    /// <summary>The views behind <see cref="Checkpoint.Tensors"/>, in their order.</summary>
    public IReadOnlyList<TorchTensor> Views => _tree.Tensors;

    internal override void Verify()
    {
        base.Verify();
        foreach (var storage in _tree.Tensors.Select(tensor => tensor.Storage.Root ?? tensor.Storage).Distinct()) Locate(storage);
    }

    /// <summary>Where a storage's bytes begin in the file, after checking them as far as the format allows.</summary>
    private protected abstract long Locate(TorchStorage storage);

    private protected override void ReadPart(int index, long offset, Span<byte> destination)
    {
        var tensor = _tree.Tensors[index];
        var storage = tensor.Storage;
        var start = Locate(storage.Root ?? storage) + (storage.RootOffset * storage.ElementSize);
        using (var lease = _bytes.Lease()) TensorLayout.Read(tensor, lease, start, offset, destination);
        if (_bigEndian) ByteOrder.Swap(destination, tensor.Type.Size());
    }
}
