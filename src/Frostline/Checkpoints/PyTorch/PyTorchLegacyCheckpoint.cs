using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// What <c>torch.save</c> wrote before PyTorch 1.6, and writes still when told so: pickles of a magic number, the protocol
/// 1001, facts about the machine, the object and the list of storage keys; then for each key its number of elements (64 bits)
/// and its bytes. Both are little-endian whatever machine wrote them.
/// </summary>
internal sealed class PyTorchLegacyCheckpoint : PyTorchCheckpoint
{
    private const long Protocol = 1001;

    private static readonly BigInteger s_magic =
        BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private readonly Dictionary<string, long> _starts;

    private PyTorchLegacyCheckpoint(ByteSource bytes, TensorTree tree, Dictionary<string, long> starts)
        : base(bytes, CheckpointFormat.PyTorchLegacy, tree, bigEndian: false) => _starts = starts;

    /// <summary>Whether the first pickle is the magic number.</summary>
    public static bool Matches(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        var start = lease.Slice(0, (int)Math.Min(bytes.Length, 32));
        if (start is not [0x80, ..]) return false;
        try
        {
            return PickleMachine.Load(start, Context(bytes, 0, 32), NoStorage, out _) is BigInteger number && number == s_magic;
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    /// <exception cref="CheckpointException">The file is damaged or refused.</exception>
    public static PyTorchLegacyCheckpoint Open(ByteSource bytes, string? key)
    {
        long at = 0;
        Next(bytes, ref at, NoStorage);
        if (Next(bytes, ref at, NoStorage) is not Protocol) throw bytes.Error("is of a legacy PyTorch format other than 1001");
        Next(bytes, ref at, NoStorage);
        var storages = new StorageTable(bytes);
        var root = Next(bytes, ref at, context => (id, position) => storages.Get(id, context, position));
        if (Next(bytes, ref at, NoStorage) is not PickleList keys)
            throw bytes.Error($"the list of storages is missing before byte {at}");
        var starts = FindStorages(bytes, keys, storages, at);
        return new PyTorchLegacyCheckpoint(bytes, new TensorTree(bytes, root, key), starts);
    }

    private protected override long Locate(TorchStorage storage) => _starts[storage.Key];

    private static Dictionary<string, long> FindStorages(ByteSource bytes, PickleList keys, StorageTable storages, long at)
    {
        var starts = new Dictionary<string, long>(StringComparer.Ordinal);
        using var lease = bytes.Lease();
        foreach (var item in keys.Items)
        {
            if (item is not string key || !storages.TryGet(key, out var storage) || !starts.TryAdd(key, at + 8))
                throw bytes.Error("is damaged: the list of storages names an unknown one, or one twice");
            var count = BinaryPrimitives.ReadInt64LittleEndian(lease.Slice(at, 8));
            if (count != storage!.ElementCount)
                throw bytes.Error($"is damaged: the storage at byte {at} has {count} elements instead of {storage.ElementCount}");
            // The table has checked the size against the file's length, so this cannot overflow.
            at += 8 + storage.ByteCount;
            if (at > bytes.Length)
                throw bytes.Error($"is cut short: {at} bytes are needed, but the file has {bytes.Length}; copy or download it again");
        }

        if (storages.All.FirstOrDefault(storage => !starts.ContainsKey(storage.Key)) is not null)
            throw bytes.Error("is damaged: a tensor's storage is not in the list of storages");
        return starts;
    }

    private static object? Next(ByteSource bytes, ref long at, Func<object?, int, object?> persistent) =>
        Next(bytes, ref at, _ => persistent);

    private static object? Next(ByteSource bytes, ref long at, Func<PickleContext, Func<object?, int, object?>> persistent)
    {
        using var lease = bytes.Lease();
        var available = (int)Math.Min(CheckpointLimits.PickleBytes, bytes.Length - at);
        var context = Context(bytes, at, available);
        var value = PickleMachine.Load(lease.Slice(at, available), context, persistent(context), out var length);
        at += length;
        return value;
    }

    private static PickleContext Context(ByteSource bytes, long at, int available) =>
        new(bytes, place: "", at, limited: available == CheckpointLimits.PickleBytes);

    private static object? NoStorage(object? id, int position) =>
        throw new CheckpointException($"A storage is named at byte {position}, where none can be");
}
