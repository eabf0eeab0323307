using System.Buffers.Binary;

namespace Frostline.Cli.Tests;

/// <summary>Writes pictures for tests, in the one format that needs no library.</summary>
internal static class Bitmap
{
    private const int HeaderLength = 54;

    /// <summary>Writes a 24-bit BMP of one colour with a gradient from left to right, its rows of 4-byte multiples.</summary>
    public static void Write(string path, int size, byte red, byte green, byte blue)
    {
        if (size % 4 != 0) throw new ArgumentException("rows are padded to multiples of four bytes", nameof(size));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var bytes = new byte[HeaderLength + (3 * size * size)];
        var header = bytes.AsSpan(0, HeaderLength);
        header[0] = (byte)'B';
        header[1] = (byte)'M';
        BinaryPrimitives.WriteInt32LittleEndian(header[2..], bytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[10..], HeaderLength);
        BinaryPrimitives.WriteInt32LittleEndian(header[14..], 40);
        BinaryPrimitives.WriteInt32LittleEndian(header[18..], size);
        BinaryPrimitives.WriteInt32LittleEndian(header[22..], size);
        BinaryPrimitives.WriteInt16LittleEndian(header[26..], 1);
        BinaryPrimitives.WriteInt16LittleEndian(header[28..], 24);
        BinaryPrimitives.WriteInt32LittleEndian(header[34..], bytes.Length - HeaderLength);
        for (var pixel = 0; pixel < size * size; pixel++)
        {
            var shade = (pixel % size) / (double)size;
            var at = HeaderLength + (3 * pixel);
            bytes[at] = (byte)(blue * shade);
            bytes[at + 1] = (byte)(green * shade);
            bytes[at + 2] = (byte)(red * shade);
        }

        File.WriteAllBytes(path, bytes);
    }
}
