using System.Buffers;
using System.Collections.ObjectModel;

namespace Frostline.Checkpoints;

/// <summary>
/// A file of named tensors, opened for reading. Opening reads names, types and shapes only; bytes are read when they are
/// asked for. Nothing in a file is ever executed, and what a file claims is checked against its size before memory is
/// allocated. Reading is safe from several threads. The file must not be shortened while it is open.
/// </summary>
public abstract class Checkpoint : IDisposable
{
    private const int ChunkSize = 1 << 20;

    private readonly ByteSource _bytes;
    private readonly SiblingFiles? _siblings;
    private readonly Dictionary<string, int> _index;

    /// <summary>Takes over the bytes, and the files beside them where the format has some.</summary>
    private protected Checkpoint(
        ByteSource bytes,
        CheckpointFormat format,
        IReadOnlyList<TensorInfo> tensors,
        IReadOnlyDictionary<string, string>? metadata = null,
        SiblingFiles? siblings = null)
    {
        _bytes = bytes;
        _siblings = siblings;
        Format = format;
        Tensors = tensors;
        Metadata = metadata ?? ReadOnlyDictionary<string, string>.Empty;
        _index = new Dictionary<string, int>(tensors.Count, StringComparer.Ordinal);
        for (var i = 0; i < tensors.Count; i++)
            if (!_index.TryAdd(tensors[i].Name, i)) throw bytes.Error($"two tensors are called \"{tensors[i].Name}\"");
    }

    /// <summary>The path, or the name for messages, as it was given.</summary>
    public string Source => _bytes.Name;

    /// <summary>The format that the content has.</summary>
    public CheckpointFormat Format { get; }

    /// <summary>The tensors in the order of the file.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>
    /// The text entries beside the tensors: <c>__metadata__</c> of safetensors, and of a sharded set also <c>metadata</c> of the index;
    /// of an ONNX model <c>ir_version</c>, <c>opset</c> (<c>opset.DOMAIN</c> for other domains than ONNX's own), <c>producer_name</c>,
    /// <c>producer_version</c>, <c>domain</c>, <c>model_version</c> and its <c>metadata_props</c>; empty in other formats.
    /// </summary>
    /// <remarks>
    /// In a sharded set an entry of a shard that says something else than the same entry before it is called <c>FILE:KEY</c>.
    /// <c>total_size</c> is what the index claims: writers count differently (tied tensors, whole files), so nobody checks it.
    /// </remarks>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>
    /// Where in the file's nested dictionaries the tensors were found, for example <c>state_dict</c>; empty where they lie at
    /// the top, or where the format has no nesting.
    /// </summary>
    public virtual string Key => "";

    /// <summary>The dictionaries that hold tensors, by path: what <c>key</c> of <see cref="Open(string, string)"/> chooses from.</summary>
    public virtual IReadOnlyList<string> Keys => [];

    /// <summary>
    /// The plain values beside the tensors in a PyTorch file (epoch, best accuracy, optimizer settings), by path joined with
    /// slashes: null, bool, long, <see cref="System.Numerics.BigInteger"/>, double, string or byte[]; an empty array for an
    /// empty container, and a text in angle brackets for what has no plain form. In NumPy's files and ONNX models what is named but not read,
    /// with a text in angle brackets, for example <c>&lt;object array [2]&gt;</c>, <c>&lt;string tensor&gt;</c> or <c>&lt;sparse tensor&gt;</c>.
    /// Empty for safetensors.
    /// </summary>
    public virtual IReadOnlyList<KeyValuePair<string, object?>> Values => [];

    /// <summary>Opens a checkpoint; the format is told from the content, never from the file's extension.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">
    /// Which dictionary to take the tensors from where a PyTorch file wraps several, as a path with slashes
    /// (<c>state_dict</c>, <c>ema/model</c>); an empty text for all of the file. Null finds the usual wrappers by itself:
    /// <c>state_dict</c>, <c>model_state_dict</c>, <c>model</c>, <c>net</c>, <c>network</c>, <c>module</c>, <c>params</c>,
    /// <c>weights</c>, <c>ema</c>, <c>model_ema</c>, <c>state_dict_ema</c>, <c>params_ema</c>, in this order; where there is
    /// none, all tensors of the file are taken, their names joined from the nesting with dots.
    /// </param>
    /// <returns>The open checkpoint; dispose it to release the file.</returns>
    /// <exception cref="CheckpointException">
    /// The file is missing, damaged, of an unknown format, asks for something that is refused as unsafe, or has no such key.
    /// </exception>
    public static Checkpoint Open(string path, string? key = null) => CheckpointFormats.Open(ByteSource.Open(path), key);

    /// <summary>Opens a checkpoint that is in memory.</summary>
    /// <param name="bytes">The whole file; it is not copied and must not be changed while the checkpoint is open.</param>
    /// <param name="source">The name for messages.</param>
    /// <param name="key">As in <see cref="Open(string, string)"/>.</param>
    /// <exception cref="CheckpointException">As for <see cref="Open(string, string)"/>.</exception>
    public static Checkpoint Open(byte[] bytes, string source, string? key = null)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ArgumentException.ThrowIfNullOrEmpty(source);
        return CheckpointFormats.Open(new ArrayBytes(source, bytes), key);
    }

    /// <summary>Opens a checkpoint that a stream holds, from the stream's position to its end; bytes are read when they are asked for.</summary>
    /// <param name="stream">
    /// A stream that reads and seeks. Nobody else may use it while the checkpoint is open. Disposing the checkpoint disposes it,
    /// and so does failing to open it, unless <paramref name="leaveOpen"/> is set; its position is then unspecified.
    /// </param>
    /// <param name="source">The name for messages.</param>
    /// <param name="key">As in <see cref="Open(string, string)"/>.</param>
    /// <param name="leaveOpen">Whether the stream stays the caller's to dispose.</param>
    /// <exception cref="ArgumentException">The stream cannot be read.</exception>
    /// <exception cref="CheckpointException">
    /// The stream cannot seek or stands at its end, or as for <see cref="Open(string, string)"/>.
    /// </exception>
    public static Checkpoint Open(Stream stream, string source, string? key = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrEmpty(source);
        if (!stream.CanRead) throw new ArgumentException("The stream cannot be read.", nameof(stream));
        StreamBytes bytes;
        try
        {
            bytes = StreamBytes.Open(stream, source, leaveOpen);
        }
        catch
        {
            if (!leaveOpen) stream.Dispose();
            throw;
        }

        return CheckpointFormats.Open(bytes, key);
    }

    /// <summary>Tells the format of a file from its content, without reading its tensors.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file is missing or of none of the formats.</exception>
    public static CheckpointFormat Identify(string path)
    {
        using var bytes = ByteSource.Open(path);
        return CheckpointFormats.Identify(bytes);
    }

    /// <summary>Tells the format of a file in memory.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="source">The name for messages.</param>
    /// <exception cref="CheckpointException">It is of none of the formats.</exception>
    public static CheckpointFormat Identify(byte[] bytes, string source)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ArgumentException.ThrowIfNullOrEmpty(source);
        using var array = new ArrayBytes(source, bytes);
        return CheckpointFormats.Identify(array);
    }

    /// <summary>Tells the format of what a stream holds, from the stream's position to its end.</summary>
    /// <param name="stream">A stream that reads and seeks; it stays open, and has its old position afterwards.</param>
    /// <param name="source">The name for messages.</param>
    /// <exception cref="ArgumentException">The stream cannot be read.</exception>
    /// <exception cref="CheckpointException">The stream cannot seek, stands at its end, or is of none of the formats.</exception>
    public static CheckpointFormat Identify(Stream stream, string source)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrEmpty(source);
        if (!stream.CanRead) throw new ArgumentException("The stream cannot be read.", nameof(stream));
        using var bytes = StreamBytes.Open(stream, source, leaveOpen: true);
        var position = stream.Position;
        try
        {
            return CheckpointFormats.Identify(bytes);
        }
        finally
        {
            stream.Position = position;
        }
    }

    /// <summary>Finds a tensor by its name.</summary>
    /// <param name="name">The dotted name.</param>
    /// <param name="tensor">The tensor, where there is one.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryFind(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = _index.TryGetValue(name, out var i) ? Tensors[i] : null;
        return tensor is not null;
    }

    /// <summary>Finds a tensor by its name.</summary>
    /// <param name="name">The dotted name.</param>
    /// <exception cref="CheckpointException">There is none; the message names the nearest.</exception>
    public TensorInfo Find(string name) => Tensors[IndexOf(name)];

    /// <summary>Reads a tensor's elements: row-major without gaps, little-endian, whatever the layout in the file.</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="destination">Takes the bytes; exactly <see cref="TensorInfo.ByteCount"/> long.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    /// <exception cref="CheckpointException">The tensor is not of this checkpoint, or its bytes are damaged.</exception>
    public void Read(TensorInfo tensor, Span<byte> destination)
    {
        var i = IndexOf(tensor);
        if (destination.Length != tensor.ByteCount)
        {
            throw new ArgumentException(
                $"\"{tensor.Name}\" has {tensor.ByteCount} bytes, the destination {destination.Length}.", nameof(destination));
        }

        if (destination.Length > 0) ReadPart(i, 0, destination);
    }

    /// <summary>Reads a tensor's elements into a new array.</summary>
    /// <param name="name">The dotted name.</param>
    /// <exception cref="CheckpointException">
    /// There is no such tensor, its bytes are damaged, or they are more than an array holds (use <see cref="CopyTo"/>).
    /// </exception>
    public byte[] Read(string name)
    {
        var tensor = Find(name);
        if (tensor.ByteCount > Array.MaxLength)
            throw _bytes.Error($"\"{name}\" has {tensor.ByteCount} bytes, more than an array holds; copy it to a stream instead");
        var bytes = GC.AllocateUninitializedArray<byte>((int)tensor.ByteCount);
        Read(tensor, bytes);
        return bytes;
    }

    /// <summary>Writes a tensor's elements to a stream, in parts of a megabyte.</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="destination">Takes the bytes, row-major and little-endian.</param>
    /// <exception cref="CheckpointException">The tensor is not of this checkpoint, or its bytes are damaged.</exception>
    public void CopyTo(TensorInfo tensor, Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var i = IndexOf(tensor);
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(ChunkSize, tensor.ByteCount));
        try
        {
            for (long at = 0; at < tensor.ByteCount;)
            {
                // Parts are multiples of 8, so that no element is split.
                var part = buffer.AsSpan(0, (int)Math.Min(ChunkSize, tensor.ByteCount - at));
                ReadPart(i, at, part);
                destination.Write(part);
                at += part.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// The hash of the content, see <see cref="Checkpoints.ContentHash"/>: equal for equal tensors, whatever the container,
    /// the order in it, and the metadata. Reads everything the first time. A plan that loads from this checkpoint needs it too: where
    /// libtorch is still being loaded, ask for it on another thread meanwhile.
    /// </summary>
    /// <exception cref="CheckpointException">A tensor's bytes are damaged.</exception>
    public string ContentHash() => KnownHash ??= Checkpoints.ContentHash.Of([.. Tensors.Select(tensor => TensorSource.From(this, tensor))]);

    /// <summary>What <see cref="ContentHash"/> gives, once somebody has read all of the content.</summary>
    internal string? KnownHash { get; set; }

    /// <summary>Fetches the file in the background where all of it will be read, as its hash is not known yet.</summary>
    internal void Prefetch()
    {
        if (KnownHash is null) _bytes.Prefetch();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _siblings?.Dispose();
        _bytes.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Checks as much of the tensors' bytes as can be checked without looking at them: the sums that a format keeps, and that a
    /// stream can be read at all.
    /// </summary>
    /// <exception cref="CheckpointException">Something is damaged or cannot be read.</exception>
    internal virtual void Verify()
    {
        if (_bytes is not StreamBytes) return;
        foreach (var tensor in Tensors) CopyTo(tensor, Stream.Null);
    }

    /// <summary>Reads a part of a tensor's row-major bytes; offset and length are multiples of its element size.</summary>
    internal void Read(TensorInfo tensor, long offset, Span<byte> destination) => ReadPart(IndexOf(tensor), offset, destination);

    /// <summary>Where a tensor's bytes lie as <see cref="Read(TensorInfo, long, Span{byte})"/> gives them, in one piece; null where they do not.</summary>
    internal (ByteSource Bytes, long Start)? PlaceOf(TensorInfo tensor) => PlaceOf(IndexOf(tensor));

    /// <inheritdoc cref="PlaceOf(TensorInfo)"/>
    private protected virtual (ByteSource Bytes, long Start)? PlaceOf(int index) => null;

    /// <summary>Reads a part of a tensor's row-major bytes; offset and length are multiples of its element size.</summary>
    private protected abstract void ReadPart(int index, long offset, Span<byte> destination);

    private int IndexOf(TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var i = IndexOf(tensor.Name);
        if (tensor.Type != Tensors[i].Type || !tensor.Shape.SequenceEqual(Tensors[i].Shape))
            throw _bytes.Error($"\"{tensor.Name}\" is {Tensors[i].Type} {Tensors[i].ShapeText} here, not {tensor.Type} {tensor.ShapeText}");
        return i;
    }

    private int IndexOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _index.TryGetValue(name, out var i)
            ? i
            : throw _bytes.Error($"there is no tensor \"{name}\"{NearestNames.Hint(name, _index.Keys)}");
    }
}
