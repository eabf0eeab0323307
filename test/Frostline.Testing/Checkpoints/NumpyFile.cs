using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace Frostline.Testing.Checkpoints;

/// <summary>Lays NumPy's files out byte for byte as NumPy does.</summary>
public static class NumpyFile
{
    /// <summary>An array as <c>np.save</c> writes it.</summary>
    /// <param name="descr">The element type as Python prints it, with its quotes: <c>'&lt;f4'</c>.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="data">The elements.</param>
    /// <param name="columnMajor">Whether the first index runs fastest.</param>
    /// <param name="version">The format's version, 1 to 3.</param>
    public static byte[] Array(string descr, long[] shape, byte[] data, bool columnMajor = false, byte version = 1)
    {
        var sizes = shape.Length == 1 ? $"({shape[0]},)" : $"({string.Join(", ", shape)})";
        return Array($"{{'descr': {descr}, 'fortran_order': {(columnMajor ? "True" : "False")}, 'shape': {sizes}, }}", data, version);
    }

    /// <summary>An array with whatever header text.</summary>
    public static byte[] Array(string header, byte[] data, byte version = 1)
    {
        ArgumentNullException.ThrowIfNull(header);
        var prefix = version == 1 ? 10 : 12;
        // NumPy pads so that the elements begin at a multiple of 64.
        var text = Encoding.UTF8.GetBytes(header.PadRight((((prefix + header.Length) / 64) + 1) * 64 - prefix - 1) + "\n");
        byte[] length = version == 1 ? BitConverter.GetBytes((ushort)text.Length) : BitConverter.GetBytes(text.Length);
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. text, .. data];
    }

    /// <summary>An archive as <c>np.savez</c> writes it, or <c>np.savez_compressed</c>.</summary>
    public static byte[] Archive(bool compressed, params (string Name, byte[] Array)[] arrays) =>
        TorchFile.Archive([.. arrays.Select(array => compressed ? Deflated($"{array.Name}.npy", array.Array) : new ZipPart($"{array.Name}.npy", array.Array))]);

    /// <summary>A deflated entry.</summary>
    public static ZipPart Deflated(string name, byte[] content)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var stream = new MemoryStream();
        using (var deflate = new DeflateStream(stream, CompressionLevel.SmallestSize, leaveOpen: true)) deflate.Write(content);
        return new ZipPart(name, stream.ToArray()) { Method = 8, Claimed = content.Length, Crc = Crc32.HashToUInt32(content) };
    }
}
