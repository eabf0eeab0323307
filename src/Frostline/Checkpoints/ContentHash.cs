using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>
/// A hash of named tensors that does not depend on the container: XXH128, which tells contents apart as fast as memory is read and
/// is no protection against forgery. It is taken over the tensors sorted by name (ordinal, UTF-16 code units); each gives the
/// length of its name in UTF-8 (32 bits), the name, the length and name of its type (<see cref="TensorType"/>), its rank (32
/// bits), its sizes (64 bits each), all little-endian, and the XXH128 of its bytes (128 bits, big-endian).
/// </summary>
public static class ContentHash
{
    /// <summary>The hash of some tensors.</summary>
    /// <param name="tensors">The tensors in any order; names must be distinct.</param>
    /// <returns>32 lower-case hexadecimal digits.</returns>
    /// <exception cref="CheckpointException">Two tensors have one name, or one writes more or fewer bytes than it has.</exception>
    public static string Of(IEnumerable<TensorSource> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var all = tensors.ToList();
        TensorNames.RequireDistinct(all);
        return Of([.. all.Select(tensor => new HashedTensor(tensor.Info, BytesOf(tensor)))]);
    }

    /// <summary>The hash of tensors whose bytes have been hashed already.</summary>
    /// <param name="tensors">Distinct tensors in any order; they are sorted in place.</param>
    internal static string Of(HashedTensor[] tensors)
    {
        Array.Sort(tensors, static (a, b) => string.CompareOrdinal(a.Info.Name, b.Info.Name));
        var hash = new XxHash128();
        Span<byte> number = stackalloc byte[16];
        foreach (var (info, bytes) in tensors)
        {
            AppendText(hash, info.Name);
            AppendText(hash, info.Type.ToString());
            BinaryPrimitives.WriteInt32LittleEndian(number, info.Shape.Count);
            hash.Append(number[..4]);
            foreach (var size in info.Shape)
            {
                BinaryPrimitives.WriteInt64LittleEndian(number, size);
                hash.Append(number[..8]);
            }

            BinaryPrimitives.WriteUInt128BigEndian(number, bytes);
            hash.Append(number);
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static UInt128 BytesOf(TensorSource tensor)
    {
        var hash = new XxHash128();
        using var stream = new ExactStream(tensor.Info, (bytes, _) => hash.Append(bytes));
        tensor.Write(stream);
        stream.RequireEnd();
        return hash.GetCurrentHashAsUInt128();
    }

    private static void AppendText(XxHash128 hash, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        hash.Append(length);
        hash.Append(utf8);
    }
}

/// <summary>A tensor and the XXH128 of its bytes. A class, because generic code for it is compiled ahead of time.</summary>
internal sealed record HashedTensor(TensorInfo Info, UInt128 Bytes);
