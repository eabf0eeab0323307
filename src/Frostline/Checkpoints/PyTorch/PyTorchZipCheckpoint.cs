using System.Text;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// The zip archive of <c>torch.save</c>, PyTorch 1.6 and later: <c>NAME/data.pkl</c>, the storages as <c>NAME/data/KEY</c>,
/// and the records <c>version</c> and (since 2.1) <c>byteorder</c>. <c>torch.jit.save</c> writes the same with the code of the module
/// beside it, <c>NAME/code/…</c>, and the module's tree of attributes as the object; the code is not looked at.
/// </summary>
internal sealed class PyTorchZipCheckpoint : PyTorchCheckpoint
{
    private const string PickleName = "data.pkl";

    private readonly ByteSource _bytes;
    private readonly ZipDirectory _directory;
    private readonly string _folder;

    private PyTorchZipCheckpoint(ByteSource bytes, CheckpointFormat format, ZipDirectory directory, string folder, TensorTree tree, bool bigEndian)
        : base(bytes, format, tree, bigEndian)
    {
        _bytes = bytes;
        _directory = directory;
        _folder = folder;
    }

    /// <summary>Which of PyTorch's an archive is; null where it is none.</summary>
    public static CheckpointFormat? Identify(ZipDirectory directory) => FindFolder(directory) is { } folder ? FormatOf(directory, folder) : null;

    /// <exception cref="CheckpointException">The archive is damaged or refused.</exception>
    public static PyTorchZipCheckpoint Open(ByteSource bytes, string? key)
    {
        var directory = ZipDirectory.Read(bytes);
        var folder = FindFolder(directory) ?? throw bytes.Error($"the zip archive has no {PickleName}, so torch.save did not write it");
        var format = FormatOf(directory, folder);
        var storages = new StorageTable(bytes);
        var root = ReadPickle(bytes, directory, directory.Entries[folder + PickleName], storages, format);
        if (format == CheckpointFormat.TorchScript && !storages.All.Any())
        {
            throw bytes.Error(
                "is a TorchScript archive whose module has no tensors (torch.jit.freeze makes them constants of its code); save it before freezing");
        }

        foreach (var storage in storages.All) Find(bytes, directory, folder, storage);
        return new PyTorchZipCheckpoint(bytes, format, directory, folder, new TensorTree(bytes, root, key), IsBigEndian(bytes, directory, folder));
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

    private static CheckpointFormat FormatOf(ZipDirectory directory, string folder) =>
        directory.Entries.Keys.Any(name => name.StartsWith($"{folder}code/", StringComparison.Ordinal)) || directory.Entries.ContainsKey($"{folder}constants.pkl")
            ? CheckpointFormat.TorchScript
            : CheckpointFormat.PyTorchZip;

    private static object? ReadPickle(ByteSource bytes, ZipDirectory directory, ZipEntry entry, StorageTable storages, CheckpointFormat format)
    {
        if (entry.Length > CheckpointLimits.PickleBytes)
            throw bytes.Error($"{entry.Name} takes {entry.Length} bytes; the limit is {CheckpointLimits.PickleBytes}");
        var start = directory.Locate(entry);
        using var lease = bytes.Lease();
        var context = new PickleContext(bytes, PickleName, origin: 0, limited: false) { TorchScript = format == CheckpointFormat.TorchScript };
        return PickleMachine.Load(lease.Slice(start, (int)entry.Length), context, (id, at) => storages.Get(id, context, at), out _);
    }

    private static ZipEntry Find(ByteSource bytes, ZipDirectory directory, string folder, TorchStorage storage)
    {
        var name = $"{folder}data/{storage.Key}";
        // Archives for mobile devices name storages that code shares by their whole path.
        if (!directory.Entries.TryGetValue(name, out var entry) && !directory.Entries.TryGetValue($"{folder}{storage.Key}", out entry))
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
