using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Frostline.Checkpoints;

namespace Frostline.Staging;

/// <summary>What one record of a <see cref="FeatureStore"/> is: tensors in an order, each with a name, a type and a shape.</summary>
public sealed class FeatureSchema
{
    /// <summary>Records begin at multiples of this many bytes.</summary>
    internal const int Alignment = 64;

    private const long MostBytes = 1 << 30;

    /// <summary>Creates a schema.</summary>
    /// <param name="tensors">
    /// The tensors of one record, without an axis for the batch; float32, float16 or bfloat16; distinct names.
    /// </param>
    /// <exception cref="FeatureStoreException">
    /// There is none, two have one name, one is of another type, has no element or more than 1 GiB.
    /// </exception>
    public FeatureSchema(params IReadOnlyList<TensorInfo> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        Tensors = [.. tensors];
        if (Problem(Tensors) is { } problem) throw new FeatureStoreException($"a feature store cannot hold such records: {problem}");
        Sizes = [.. Tensors.Select(tensor => (int)tensor.ByteCount)];
    }

    /// <summary>The tensors of one record, in the order of all destinations and sources.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>How many bytes the tensors of one record have in all.</summary>
    public long RecordBytes => Sizes.Sum(size => (long)size);

    /// <summary>For each tensor its bytes in one record.</summary>
    internal IReadOnlyList<int> Sizes { get; }

    /// <summary>How far apart the records of one tensor begin.</summary>
    internal static long Stride(int size) => (size + Alignment - 1L) / Alignment * Alignment;

    /// <summary>A row of a tensor's rows.</summary>
    internal Span<byte> Row(Span<byte> rows, int tensor, int row) => rows.Slice(checked(row * Sizes[tensor]), Sizes[tensor]);

    /// <summary>A row of a tensor's rows.</summary>
    internal ReadOnlySpan<byte> Row(ReadOnlySpan<byte> rows, int tensor, int row) =>
        rows.Slice(checked(row * Sizes[tensor]), Sizes[tensor]);

    /// <summary>The XXH128 of a record's tensors, one after the other.</summary>
    internal UInt128 Checksum(int row, ReadOnlySpan<ReadOnlyMemory<byte>> rows)
    {
        if (rows.Length == 1) return XxHash128.HashToUInt128(Row(rows[0].Span, 0, row));
        var hash = new XxHash128();
        for (var i = 0; i < rows.Length; i++) hash.Append(Row(rows[i].Span, i, row));
        return hash.GetCurrentHashAsUInt128();
    }

    /// <inheritdoc cref="Checksum(int, ReadOnlySpan{ReadOnlyMemory{byte}})"/>
    internal UInt128 Checksum(int row, ReadOnlySpan<Memory<byte>> rows)
    {
        if (rows.Length == 1) return XxHash128.HashToUInt128(Row(rows[0].Span, 0, row));
        var hash = new XxHash128();
        for (var i = 0; i < rows.Length; i++) hash.Append(Row(rows[i].Span, i, row));
        return hash.GetCurrentHashAsUInt128();
    }

    /// <summary>Whether records of both look the same.</summary>
    internal bool Matches(FeatureSchema other) => Canonical() == other.Canonical();

    /// <summary>
    /// The seed of the checks in a store's indices: the first 8 bytes of the XXH128 of its identity and its schema, so that an index of
    /// another store, or of other records, holds nothing valid.
    /// </summary>
    internal long SeedFor(string identity)
    {
        Span<byte> hash = stackalloc byte[16];
        XxHash128.Hash(Encoding.UTF8.GetBytes($"{identity}\n{Canonical()}"), hash);
        return BinaryPrimitives.ReadInt64LittleEndian(hash);
    }

    /// <summary>A line for each tensor: type, sizes and name, separated by blanks.</summary>
    private string Canonical() => string.Concat(Tensors.Select(tensor => string.Create(
        CultureInfo.InvariantCulture, $"{tensor.Type} {string.Join(',', tensor.Shape)} {tensor.Name}\n")));

    private static string? Problem(IReadOnlyList<TensorInfo> tensors)
    {
        if (tensors.Count == 0) return "they have no tensor";
        if (tensors.Any(tensor => tensor.Name.AsSpan().ContainsAny('\n', '\r'))) return "a tensor's name has a line break";
        if (tensors.GroupBy(tensor => tensor.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            return $"two tensors are called \"{twice.Key}\"";
        foreach (var tensor in tensors)
        {
            if (tensor.Type is not (TensorType.Float32 or TensorType.Float16 or TensorType.BFloat16))
                return $"\"{tensor.Name}\" is {tensor.Type}; it may be Float32, Float16 or BFloat16";
            if (tensor.Shape.Any(size => size < 1) || Bytes(tensor) > MostBytes)
                return $"\"{tensor.Name}\" has the shape {tensor.ShapeText}; sizes begin at 1, and a record has at most 1 GiB a tensor";
        }

        return null;
    }

    private static UInt128 Bytes(TensorInfo tensor)
    {
        UInt128 bytes = (uint)tensor.Type.Size();
        foreach (var size in tensor.Shape)
        {
            bytes *= (ulong)size;
            if (bytes > MostBytes) break;
        }

        return bytes;
    }
}
