using System.Runtime.ExceptionServices;
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
        try
        {
            Parallel.ForEach(_tree.Tensors.Select(tensor => tensor.Storage.Root ?? tensor.Storage).Distinct().ToList(), storage => Locate(storage));
        }
        catch (AggregateException error)
        {
            ExceptionDispatchInfo.Throw(error.InnerExceptions[0]);
        }
    }

    /// <summary>Where a storage's bytes begin in the file, after checking them as far as the format allows.</summary>
    private protected abstract long Locate(TorchStorage storage);

    private protected override (ByteSource Bytes, long Start)? PlaceOf(int index)
    {
        var tensor = _tree.Tensors[index];
        if (_bigEndian || !TensorLayout.IsContiguous(tensor)) return null;
        return (_bytes, StartOf(tensor) + (tensor.Offset * tensor.Type.Size()));
    }

    private protected override void ReadPart(int index, long offset, Span<byte> destination)
    {
        var tensor = _tree.Tensors[index];
        using (var lease = _bytes.Lease()) TensorLayout.Read(tensor, lease, StartOf(tensor), offset, destination);
        if (_bigEndian) ByteOrder.Swap(destination, tensor.Type.Size());
    }

    /// <summary>Where the storage that a tensor views begins in the file.</summary>
    private long StartOf(TorchTensor tensor)
    {
        var storage = tensor.Storage;
        return Locate(storage.Root ?? storage) + (storage.RootOffset * storage.ElementSize);
    }
}
