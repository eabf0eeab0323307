using System.Globalization;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// The pickle of an <c>OrderedDict</c> of tensors, as <c>torch.save</c> writes a state dict whose tensors share no storage: each
/// is <c>torch._utils._rebuild_tensor_v2</c> of a storage of its own, numbered in order. Types without a storage class
/// (unsigned integers of more than 8 bits, 8-bit floats) are <c>_rebuild_tensor_v3</c> of an untyped storage.
/// </summary>
internal static class StateDictPickle
{
    // How many entries Python's pickler sets at once.
    private const int Batch = 1000;

    public static ReadOnlyMemory<byte> Write(IReadOnlyList<TensorSource> tensors)
    {
        var pickle = new PickleWriter();
        EmptyOrderedDict(pickle);
        for (var start = 0; start < tensors.Count; start += Batch)
        {
            var count = Math.Min(Batch, tensors.Count - start);
            if (count > 1) pickle.Op(PickleOpcode.Mark);
            for (var i = start; i < start + count; i++)
            {
                pickle.Text(tensors[i].Info.Name);
                Tensor(pickle, tensors[i].Info, i.ToString(CultureInfo.InvariantCulture));
            }

            pickle.Op(count > 1 ? PickleOpcode.SetItems : PickleOpcode.SetItem);
        }

        return pickle.Finish();
    }

    private static void Tensor(PickleWriter pickle, TensorInfo info, string key)
    {
        var storage = TorchValues.StorageOf(info.Type);
        pickle.Global("torch._utils", storage is null ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
        pickle.Op(PickleOpcode.Mark);
        pickle.Op(PickleOpcode.Mark);
        pickle.Constant("storage");
        if (storage is null) pickle.Global("torch.storage", "UntypedStorage");
        else pickle.Global("torch", storage);
        pickle.Text(key);
        pickle.Constant("cpu");
        pickle.Integer(storage is null ? info.ByteCount : info.ElementCount);
        pickle.Op(PickleOpcode.Tuple);
        pickle.Remember();
        pickle.Op(PickleOpcode.BinPersId);
        pickle.Integer(0);
        pickle.Tuple(info.Shape);
        pickle.Tuple(Strides(info.Shape));
        // Neither requires_grad nor hooks.
        pickle.Op(PickleOpcode.NewFalse);
        EmptyOrderedDict(pickle);
        if (storage is null) pickle.Global("torch", TorchValues.NameOf(info.Type));
        pickle.Op(PickleOpcode.Tuple);
        pickle.Remember();
        pickle.Op(PickleOpcode.Reduce);
        pickle.Remember();
    }

    private static void EmptyOrderedDict(PickleWriter pickle)
    {
        pickle.Global("collections", "OrderedDict");
        pickle.Op(PickleOpcode.EmptyTuple);
        pickle.Op(PickleOpcode.Reduce);
        pickle.Remember();
    }

    /// <summary>Row-major strides in elements; PyTorch counts an empty dimension as one.</summary>
    private static long[] Strides(IReadOnlyList<long> shape)
    {
        var strides = new long[shape.Count];
        long stride = 1;
        for (var i = shape.Count - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride = checked(stride * Math.Max(1, shape[i]));
        }

        return strides;
    }
}
