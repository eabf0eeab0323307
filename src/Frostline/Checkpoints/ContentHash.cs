using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>
/// A hash of named tensors that does not depend on the container. It is SHA-256 over the tensors sorted by name (ordinal,
/// UTF-16 code units); each gives the length of its name in UTF-8 (32 bits), the name, the length and name of its type
/// (<see cref="TensorType"/>), its rank (32 bits), its sizes (64 bits each) and its bytes, all little-endian.
/// </summary>
public static class ContentHash
{
    /// <summary>The hash of some tensors.</summary>
    /// <param name="tensors">The tensors in any order; names must be distinct.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    /// <exception cref="CheckpointException">Two tensors have one name, or one writes more or fewer bytes than it has.</exception>
    public static string Of(IEnumerable<TensorSource> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        string? last = null;
        foreach (var tensor in tensors.OrderBy(t => t.Info.Name, StringComparer.Ordinal))
        {
            if (tensor.Info.Name == last)
                throw new CheckpointException($"Two tensors are called \"{last}\"; names must be distinct");
            last = tensor.Info.Name;
            AppendDescription(hash, tensor.Info);
            using var stream = new ExactStream(tensor.Info, (bytes, _) => hash.AppendData(bytes));
            tensor.Write(stream);
            stream.RequireEnd();
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void AppendDescription(IncrementalHash hash, TensorInfo info)
    {
        AppendText(hash, info.Name);
        AppendText(hash, info.Type.ToString());
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(number, info.Shape.Count);
        hash.AppendData(number[..4]);
        foreach (var size in info.Shape)
        {
            BinaryPrimitives.WriteInt64LittleEndian(number, size);
            hash.AppendData(number);
        }
    }

    private static void AppendText(IncrementalHash hash, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        hash.AppendData(length);
        hash.AppendData(utf8);
    }
}
