using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// The storages that a pickle names by persistent ids: <c>("storage", class, key, device, elements)</c>, in legacy files with
/// a sixth item, null or <c>(key of the view, first element, elements)</c>.
/// </summary>
internal sealed class StorageTable(ByteSource bytes)
{
    private readonly Dictionary<string, TorchStorage> _storages = new(StringComparer.Ordinal);

    public IEnumerable<TorchStorage> All => _storages.Values;

    public bool TryGet(string key, out TorchStorage? storage) => _storages.TryGetValue(key, out storage);

    /// <exception cref="CheckpointException">The id is something else, or claims more than the file holds.</exception>
    public TorchStorage Get(object? persistent, PickleContext context, int position)
    {
        if (persistent is not PickleTuple id) throw context.Error("a persistent id that is not a tuple", position);
        if (id.Items is not ["storage", var type, string key, string, long count, ..]
            || id.Items.Length > 6 || !TorchValues.TryStorageType(type, out var element))
            throw context.Error("a persistent id that names no storage", position);
        context.Charge(160, position);
        var storage = new TorchStorage(key, element, count);
        if (count < 0 || count > bytes.Length / storage.ElementSize)
            throw context.Error($"a storage \"{Shown(key)}\" of {count} elements, more than the file holds,", position);
        if (_storages.TryGetValue(key, out var known))
        {
            // The same storage under two types of one size was possible before storages were untyped.
            if (known.ElementCount != count || known.Type != element)
                throw context.Error($"a storage \"{Shown(key)}\" that is described in two ways", position);
            storage = known;
        }
        else
        {
            _storages.Add(key, storage);
        }

        return id.Items is [_, _, _, _, _, PickleTuple view] ? View(storage, view, context, position) : storage;
    }

    private static TorchStorage View(TorchStorage root, PickleTuple view, PickleContext context, int position)
    {
        if (view.Items is not [string key, long first, long count]
            || first < 0 || count < 0 || first > root.ElementCount || count > root.ElementCount - first)
            throw context.Error($"a view of the storage \"{Shown(root.Key)}\" that does not lie in it", position);
        return new TorchStorage(key, root.Type, count, root, first);
    }

    private static string Shown(string key) => new([.. key.Take(64).Select(c => char.IsControl(c) ? '?' : c)]);
}
