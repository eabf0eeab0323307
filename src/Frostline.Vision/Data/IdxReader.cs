using System.Buffers.Binary;
using System.IO.Compression;

namespace Frostline.Vision.Data;

/// <summary>An array of an IDX file.</summary>
internal sealed record IdxArray(int[] Shape, byte[] Values);

/// <summary>
/// The IDX format: two zero bytes, the element type, the number of dimensions, each dimension as big-endian uint32, the values.
/// Unsigned bytes only.
/// </summary>
internal static class IdxReader
{
    // What deflate can expand to at the most; a header that claims more than its file can hold is refused before memory is taken.
    private const long MostExpansion = 1032;

    /// <summary>Reads a file, gzipped (by content) or not.</summary>
    /// <exception cref="FrostlineException">The file is missing, damaged, or has another number of dimensions.</exception>
    public static IdxArray Read(string path, int dimensions)
    {
        var content = PictureFiles.ReadAll(path);
        try
        {
            if (content is not [0x1F, 0x8B, ..]) return Parse(new MemoryStream(content), content.Length, path, dimensions);
            using var unpacked = new GZipStream(new MemoryStream(content), CompressionMode.Decompress);
            return Parse(unpacked, content.Length * MostExpansion, path, dimensions);
        }
        catch (EndOfStreamException error)
        {
            throw new FrostlineException($"{path}: the file is cut short", error);
        }
        catch (InvalidDataException error)
        {
            throw new FrostlineException($"{path}: the gzip data is damaged", error);
        }
    }

    private static IdxArray Parse(Stream stream, long most, string path, int dimensions)
    {
        Span<byte> word = stackalloc byte[4];
        stream.ReadExactly(word);
        if (word[0] != 0 || word[1] != 0)
            throw new FrostlineException($"{path}: not an IDX file (it starts with {Convert.ToHexString(word)})");
        if (word[2] != 0x08)
            throw new FrostlineException(
                $"{path}: IDX elements of type 0x{word[2]:X2} are not supported, only unsigned bytes (0x08)");
        if (word[3] != dimensions)
            throw new FrostlineException(
                $"{path}: {word[3]} dimensions instead of {dimensions}; "
                + $"{(dimensions == 1 ? "this should be the labels" : "this should be the images")}");
        var shape = new int[dimensions];
        long length = 1;
        for (var i = 0; i < dimensions; i++)
        {
            stream.ReadExactly(word);
            var size = BinaryPrimitives.ReadUInt32BigEndian(word);
            length *= size;
            if (size > int.MaxValue || length > Math.Min(most, Array.MaxLength))
                throw new FrostlineException($"{path}: the header claims more values than the file can hold");
            shape[i] = (int)size;
        }

        if (shape[0] == 0) throw new FrostlineException($"{path}: the file has no values");
        var values = GC.AllocateUninitializedArray<byte>((int)length);
        stream.ReadExactly(values);
        if (stream.ReadByte() >= 0)
            throw new FrostlineException($"{path}: there are values behind the last one that the header claims");
        return new IdxArray(shape, values);
    }
}
