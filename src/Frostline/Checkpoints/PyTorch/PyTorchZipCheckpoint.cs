using System.Text;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// The zip archive of <c>torch.save</c>, PyTorch 1.6 and later: <c>NAME/data.pkl</c>, the storages as <c>NAME/data/KEY</c>,
/// and the records <c>version</c> and (since 2.1) <c>byteorder</c>.
/// </summary>
internal sealed class PyTorchZipCheckpoint : PyTorchCheckpoint
{
    private const string PickleName = "data.pkl";

    private readonly ByteSource _bytes;
    private readonly ZipDirectory _directory;
    private readonly string _folder;

    private PyTorchZipCheckpoint(ByteSource bytes, ZipDirectory directory, string folder, TensorTree tree, bool bigEndian)
        : base(bytes, CheckpointFormat.PyTorchZip, tree, bigEndian)
    {
        _bytes = bytes;
        _directory = directory;
        _folder = folder;
    }

    /// <summary>Whether an archive is one of PyTorch's.</summary>
    public static bool Matches(ZipDirectory directory) => FindFolder(directory) is not null;

    /// <exception cref="CheckpointException">The archive is damaged or refused.</exception>
    public static PyTorchZipCheckpoint Open(ByteSource bytes, string? key)
    {
        var directory = ZipDirectory.Read(bytes);
        var folder = FindFolder(directory) ?? throw bytes.Error($"the zip archive has no {PickleName}, so torch.save did not write it");
        if (directory.Entries.Keys.Any(name => name.StartsWith($"{folder}code/", StringComparison.Ordinal)))
            throw bytes.Error("is a TorchScript archive, which is not supported; save model.state_dict() in Python instead");
        var storages = new StorageTable(bytes);
        var root = ReadPickle(bytes, directory, directory.Entries[folder + PickleName], storages);
        foreach (var storage in storages.All) Find(bytes, directory, folder, storage);
        return new PyTorchZipCheckpoint(bytes, directory, folder, new TensorTree(bytes, root, key), IsBigEndian(bytes, directory, folder));
    }

    private protected override long Locate(TorchStorage storage) => _directory.Locate(Find(_bytes, _directory, _folder, storage));

    /// <summary>The folder before data.pkl, with its slash; null where there is none.</summary>
    private static string? FindFolder(ZipDirectory directory)
    {
        // One folder deep: a longer path is somebody else's archive.
        var name = directory.Entries.Keys.FirstOrDefault(name =>
            name.EndsWith($"/{PickleName}", StringComparison.Ordinal)
            && name.IndexOf('/', StringComparison.Ordinal) == name.Length - PickleName.Length - 1);
        return name?[..^PickleName.Length];
    }

    private static object? ReadPickle(ByteSource bytes, ZipDirectory directory, ZipEntry entry, StorageTable storages)
    {
        if (entry.Length > CheckpointLimits.PickleBytes)
            throw bytes.Error($"{entry.Name} takes {entry.Length} bytes; the limit is {CheckpointLimits.PickleBytes}");
        var start = directory.Locate(entry);
        using var lease = bytes.Lease();
        var context = new PickleContext(bytes, PickleName, origin: 0, limited: false);
        return PickleMachine.Load(lease.Slice(start, (int)entry.Length), context, (id, at) => storages.Get(id, context, at), out _);
    }

    private static ZipEntry Find(ByteSource bytes, ZipDirectory directory, string folder, TorchStorage storage)
    {
        var name = $"{folder}data/{storage.Key}";
        if (!directory.Entries.TryGetValue(name, out var entry))
            throw bytes.Error($"is damaged: the archive lacks the storage {name}");
        if (entry.Length < storage.ByteCount)
        {
            throw bytes.Error(
                $"is damaged: the storage {name} has {entry.Length} bytes, but {storage.ElementCount} elements take {storage.ByteCount}");
        }

        return entry;
    }

    private static bool IsBigEndian(ByteSource bytes, ZipDirectory directory, string folder)
    {
        if (!directory.Entries.TryGetValue($"{folder}byteorder", out var entry)) return false;
        if (entry.Length > 16) throw bytes.Error("is damaged: the byteorder record is too long");
        var text = new byte[entry.Length];
        bytes.CopyTo(directory.Locate(entry), text);
        return Encoding.ASCII.GetString(text) switch
        {
            "little" => false,
            "big" => true,
            _ => throw bytes.Error("is damaged: the byteorder record is neither \"little\" nor \"big\""),
        };
    }
}
