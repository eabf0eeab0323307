using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// NumPy's files: one array (<c>.npy</c>), or a zip archive of them (<c>.npz</c>), stored as <c>np.savez</c> or deflated as
/// <c>np.savez_compressed</c> writes it. Arrays of objects, texts, complex numbers and structures are no tensors; they are named
/// among the values, and never unpickled.
/// </summary>
internal sealed class NumpyCheckpoint : Checkpoint
{
    private const string Extension = ".npy";

    private readonly List<NumpyArray> _arrays;
    private readonly List<KeyValuePair<string, object?>> _values;

    private NumpyCheckpoint(ByteSource bytes, CheckpointFormat format, List<NumpyArray> arrays, List<KeyValuePair<string, object?>> values)
        : base(bytes, format, [.. arrays.Select(array => new TensorInfo(array.Name, array.View.Type, array.View.Size))])
    {
        _arrays = arrays;
        _values = values;
    }

    public override IReadOnlyList<KeyValuePair<string, object?>> Values => _values;

    /// <summary>Whether a file is a single array.</summary>
    public static bool MatchesArray(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        return NumpyHeader.Matches(lease.Slice(0, (int)Math.Min(bytes.Length, 8)));
    }

    /// <summary>Whether an archive holds arrays.</summary>
    public static bool MatchesArchive(ZipDirectory directory) =>
        directory.Entries.Keys.Any(name => name.EndsWith(Extension, StringComparison.Ordinal));

    /// <summary>Opens a <c>.npy</c> file.</summary>
    /// <exception cref="CheckpointException">The file is damaged, holds something other than numbers, or a key was asked for.</exception>
    public static NumpyCheckpoint OpenArray(ByteSource bytes, string? key)
    {
        RequireNoKey(bytes, key);
        CheckpointException Error(string what) => bytes.Error($"the header of the NumPy array {what}");
        var header = NumpyHeader.Read(count => Begin(bytes, count), Error);
        if (header.Type is null)
            throw bytes.Error($"is a NumPy array of {header.Description} elements; only numbers and booleans are read, and nothing is unpickled");
        var array = new NumpyArray(TensorTree.SingleName, header.View(bytes.Length, Error), header.BigEndian, () => (bytes, header.Length));
        return new NumpyCheckpoint(bytes, CheckpointFormat.Npy, [array], []);
    }

    /// <summary>Opens a <c>.npz</c> archive.</summary>
    /// <exception cref="CheckpointException">The archive is damaged, or a key was asked for.</exception>
    public static NumpyCheckpoint OpenArchive(ByteSource bytes, string? key)
    {
        RequireNoKey(bytes, key);
        var directory = ZipDirectory.Read(bytes);
        var (arrays, values) = (new List<NumpyArray>(), new List<KeyValuePair<string, object?>>());
        foreach (var entry in directory.Entries.Values)
        {
            if (!entry.Name.EndsWith(Extension, StringComparison.Ordinal))
            {
                if (entry.Name[^1] != '/') values.Add(new(entry.Name, $"<file of {entry.Length} bytes>"));
                continue;
            }

            CheckpointException Error(string what) => bytes.Error($"the header of the NumPy array {entry.Name} {what}");
            var name = entry.Name[..^Extension.Length];
            var header = NumpyHeader.Read(count => directory.Begin(entry, count), Error);
            if (header.Type is null)
                values.Add(new(name, $"<{header.Description} array [{string.Join(", ", header.Shape)}]>"));
            else
                arrays.Add(new NumpyArray(name, header.View(entry.Length, Error), header.BigEndian, () => Elements(directory, entry, header)));
        }

        return new NumpyCheckpoint(bytes, CheckpointFormat.Npz, arrays, values);
    }

    internal override void Verify()
    {
        base.Verify();
        foreach (var array in _arrays) array.Elements();
    }

    private protected override void ReadPart(int index, long offset, Span<byte> destination)
    {
        var array = _arrays[index];
        var (bytes, start) = array.Elements();
        using (var lease = bytes.Lease()) TensorLayout.Read(array.View, lease, start, offset, destination);
        if (array.BigEndian) ByteOrder.Swap(destination, array.View.Type.Size());
    }

    private static (ByteSource Bytes, long Start) Elements(ZipDirectory directory, ZipEntry entry, NumpyHeader header)
    {
        var (bytes, start) = directory.Content(entry);
        return (bytes, start + header.Length);
    }

    private static byte[] Begin(ByteSource bytes, int count)
    {
        var start = new byte[Math.Min(count, bytes.Length)];
        bytes.CopyTo(0, start);
        return start;
    }

    private static void RequireNoKey(ByteSource bytes, string? key)
    {
        if (!string.IsNullOrEmpty(key))
            throw bytes.Error($"NumPy's files have no nested dictionaries, so there is no key \"{key}\"; leave it out");
    }

    /// <summary>An array of numbers.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="View">Its elements, as they lie from the end of its header on.</param>
    /// <param name="BigEndian">Whether they are big-endian.</param>
    /// <param name="Elements">The bytes that hold them, and where they begin; checked against the archive's CRC-32 first.</param>
    private sealed record NumpyArray(string Name, TorchTensor View, bool BigEndian, Func<(ByteSource Bytes, long Start)> Elements);
}
