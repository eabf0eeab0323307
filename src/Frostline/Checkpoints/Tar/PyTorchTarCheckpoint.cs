using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// What <c>torch.save</c> of PyTorch 0.1 wrote: a tar archive of <c>storages</c>, <c>tensors</c> and <c>pickle</c>. The first two are
/// made of many small pickles between binary data; the third is the object, in which storages and tensors are named by numbers.
/// Everything is little-endian.
/// </summary>
internal sealed class PyTorchTarCheckpoint : PyTorchCheckpoint
{
    private static readonly string[] s_members = ["storages", "tensors", "pickle"];

    private readonly Dictionary<string, long> _starts;

    private PyTorchTarCheckpoint(ByteSource bytes, TensorTree tree, Dictionary<string, long> starts)
        : base(bytes, CheckpointFormat.PyTorchTar, tree, bigEndian: false) => _starts = starts;

    /// <summary>Whether an archive begins with one of the members that PyTorch wrote.</summary>
    /// <exception cref="CheckpointException">The archive's first headers are damaged.</exception>
    public static bool Matches(ByteSource bytes) => TarDirectory.FirstName(bytes) is { } name && (name == "sys_info" || s_members.Contains(name));

    /// <exception cref="CheckpointException">The file is damaged or refused.</exception>
    public static PyTorchTarCheckpoint Open(ByteSource bytes, string? key)
    {
        var members = TarDirectory.Read(bytes);
        if (s_members.FirstOrDefault(name => !members.ContainsKey(name)) is { } missing)
            throw bytes.Error($"is damaged: the tar archive has no member {missing}");
        var objects = new TarObjects(bytes);
        objects.ReadStorages(members["storages"]);
        objects.ReadTensors(members["tensors"]);
        var pickle = new TarReader(bytes, members["pickle"]);
        var root = pickle.ReadPickle(CheckpointLimits.PickleBytes, context => (id, at) => objects.Find(id, context, at));
        return new PyTorchTarCheckpoint(bytes, new TensorTree(bytes, root, key), objects.Starts);
    }

    private protected override long Locate(TorchStorage storage) => _starts[storage.Key];
}

/// <summary>The storages and tensors of a tar file, by the numbers that name them: addresses in the process that wrote it.</summary>
internal sealed class TarObjects(ByteSource bytes)
{
    private readonly Dictionary<object, object> _objects = [];

    /// <summary>Where each storage's elements begin in the file, by its key.</summary>
    public Dictionary<string, long> Starts { get; } = new(StringComparer.Ordinal);

    /// <summary>
    /// The number of storages; for each <c>(key, location, class)</c>, its number of elements (64 bits) and the elements; then the
    /// list of views, <c>(key, key of the whole, first element, elements)</c>.
    /// </summary>
    /// <exception cref="CheckpointException">The member is damaged.</exception>
    public void ReadStorages(TarMember member)
    {
        var reader = new TarReader(bytes, member);
        for (var count = reader.ReadCount(); count > 0; count--)
        {
            if (reader.ReadSmallPickle() is not PickleTuple { Items: [var key, string, var kind] }
                || !TorchValues.TryStorageType(kind, out var type)) throw reader.Damaged("a storage is described in another way");
            var elements = reader.ReadInt64();
            var storage = new TorchStorage(NameOf(key, reader), type, elements);
            if (elements < 0 || elements > reader.Left / storage.ElementSize)
                throw reader.Damaged($"a storage claims {elements} elements, more than the file holds");
            Starts.Add(storage.Key, reader.Position);
            Add(key, storage, reader);
            reader.Skip(storage.ByteCount);
        }

        if (reader.ReadPickle(CheckpointLimits.PickleBytes, TarReader.NoObjects) is not PickleList views)
            throw reader.Damaged("the list of views is missing");
        foreach (var view in views.Items)
        {
            if (view is not PickleTuple { Items: [var key, var rootKey, long first, long elements] }
                || !_objects.TryGetValue(rootKey ?? "", out var found) || found is not TorchStorage root
                || first < 0 || elements < 0 || first > root.ElementCount || elements > root.ElementCount - first)
                throw reader.Damaged("a view does not lie in its storage");
            Add(key, new TorchStorage(NameOf(key, reader), root.Type, elements, root.Root ?? root, root.RootOffset + first), reader);
        }
    }

    /// <summary>
    /// The number of tensors; for each <c>(key, key of its storage, class)</c>, its rank (32 bits and 4 bytes of no use), sizes, strides
    /// and offset (64 bits each). The class says nothing that the storage's does not.
    /// </summary>
    /// <exception cref="CheckpointException">The member is damaged.</exception>
    public void ReadTensors(TarMember member)
    {
        var reader = new TarReader(bytes, member);
        for (var count = reader.ReadCount(); count > 0; count--)
        {
            if (reader.ReadSmallPickle() is not PickleTuple { Items: [var key, var storageKey, PickleConstructor] }
                || !_objects.TryGetValue(storageKey ?? "", out var found) || found is not TorchStorage { Type: { } type } storage)
                throw reader.Damaged("a tensor is described in another way, or its storage is missing");
            var rank = (int)reader.ReadInt64();
            if (rank is < 0 or > CheckpointLimits.Rank) throw reader.Damaged($"a tensor has {rank} dimensions (at most {CheckpointLimits.Rank})");
            var (size, stride) = (new long[rank], new long[rank]);
            for (var i = 0; i < rank; i++) size[i] = reader.ReadInt64();
            for (var i = 0; i < rank; i++) stride[i] = reader.ReadInt64();
            var tensor = new TorchTensor(storage, type, reader.ReadInt64(), size, stride);
            if (TensorLayout.Fault(tensor, bytes.Length) is { } fault) throw reader.Damaged($"a tensor's {fault}");
            Add(key, tensor, reader);
        }
    }

    /// <summary>What a persistent id of the object names: a number, which Python's old pickler wrote as text.</summary>
    /// <exception cref="CheckpointException">There is nothing of this number.</exception>
    public object? Find(object? id, PickleContext context, int position)
    {
        // Numbers of more than 63 bits are texts of them here and BigIntegers there.
        if (id is string text)
        {
            id = text.Length < 40 && BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
                ? number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number
                : null;
        }

        return id is not null && _objects.TryGetValue(id, out var found)
            ? found
            : throw context.Error("a persistent id that names no storage or tensor", position);
    }

    private void Add(object? key, object value, TarReader reader)
    {
        if (!_objects.TryAdd(key!, value)) throw reader.Damaged("two objects have one number");
    }

    private string NameOf(object? key, TarReader reader)
    {
        if (key is not (long or BigInteger)) throw reader.Damaged("an object has something other than a number for its key");
        var name = ((IFormattable)key).ToString(null, CultureInfo.InvariantCulture);
        return Starts.ContainsKey(name) ? throw reader.Damaged("two objects have one number") : name;
    }
}

/// <summary>Reads a tar member from its beginning to its end: pickles and little-endian numbers.</summary>
internal sealed class TarReader(ByteSource bytes, TarMember member)
{
    // A tuple of a few numbers and names; read as such, so that a stream does not read megabytes for each.
    private const int SmallPickle = 4096;

    private readonly long _end = member.Start + member.Length;

    /// <summary>Where the next byte lies in the file.</summary>
    public long Position { get; private set; } = member.Start;

    /// <summary>How many bytes the member has left.</summary>
    public long Left => _end - Position;

    public static Func<object?, int, object?> NoObjects(PickleContext context) =>
        (_, position) => throw context.Error("a persistent id where none can be", position);

    public CheckpointException Damaged(string what) => bytes.Error($"is damaged: {what}, before byte {Position} ({member.Name})");

    /// <summary>A pickle of one number that is not negative.</summary>
    public long ReadCount() => ReadSmallPickle() is long and >= 0 and var count ? count : throw Damaged("a number is missing");

    public object? ReadSmallPickle() => ReadPickle(SmallPickle, NoObjects);

    public object? ReadPickle(int most, Func<PickleContext, Func<object?, int, object?>> persistent)
    {
        var available = (int)Math.Min(most, Left);
        var context = new PickleContext(bytes, place: "", Position, limited: available == CheckpointLimits.PickleBytes);
        using var lease = bytes.Lease();
        var value = PickleMachine.Load(lease.Slice(Position, available), context, persistent(context), out var length);
        Position += length;
        return value;
    }

    public long ReadInt64()
    {
        if (Left < 8) throw Damaged("the member ends within a number");
        Span<byte> number = stackalloc byte[8];
        bytes.CopyTo(Position, number);
        Position += 8;
        return BinaryPrimitives.ReadInt64LittleEndian(number);
    }

    /// <summary>Passes bytes that are known to be there.</summary>
    public void Skip(long count) => Position += count;
}
