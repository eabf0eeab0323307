using System.Buffers.Binary;

namespace Frostline.Vision.Data;

/// <summary>
/// Windows bitmaps, which libvips does not read: uncompressed, 1, 4 and 8 bits with a palette, 24 and 32 bits, bottom-up and
/// top-down. An alpha channel is ignored.
/// </summary>
internal static class BmpReader
{
    private const int FileHeader = 14, InfoHeader = 40;

    /// <summary>Decodes a file to bytes [H, W, 3], RGB.</summary>
    /// <exception cref="InvalidDataException">
    /// The file is damaged or of a kind that is not read; the message says why.
    /// </exception>
    public static ImageField Decode(ReadOnlySpan<byte> file, long mostPixels)
    {
        if (file.Length < FileHeader + InfoHeader) throw new InvalidDataException("the bitmap is cut short");
        var pixelOffset = BinaryPrimitives.ReadUInt32LittleEndian(file[10..]);
        var header = BinaryPrimitives.ReadUInt32LittleEndian(file[14..]);
        var width = BinaryPrimitives.ReadInt32LittleEndian(file[18..]);
        var signedHeight = BinaryPrimitives.ReadInt32LittleEndian(file[22..]);
        var bits = BinaryPrimitives.ReadUInt16LittleEndian(file[28..]);
        var compression = BinaryPrimitives.ReadUInt32LittleEndian(file[30..]);
        var colours = BinaryPrimitives.ReadUInt32LittleEndian(file[46..]);
        var height = Math.Abs((long)signedHeight);
        if (header < InfoHeader || header > file.Length - FileHeader)
            throw new InvalidDataException($"a bitmap with a header of {header} bytes is not supported");
        if (width < 1 || height < 1 || width * height > mostPixels)
            throw new InvalidDataException($"the bitmap claims {width} x {height} pixels");
        RequireSupported(file, bits, compression, (int)header);

        var stride = ((((long)width * bits) + 31) / 32) * 4;
        if (pixelOffset + (stride * height) > file.Length) throw new InvalidDataException("the bitmap is cut short");
        var palette = bits <= 8 ? PaletteOf(file, FileHeader + (int)header, colours == 0 ? 1u << bits : colours, bits) : default;
        var pixels = GC.AllocateUninitializedArray<byte>(checked(width * (int)height * 3));
        for (var y = 0; y < height; y++)
        {
            var line = signedHeight > 0 ? height - 1 - y : y;
            var row = file.Slice((int)(pixelOffset + (line * stride)), (int)stride);
            var output = pixels.AsSpan(y * width * 3, width * 3);
            if (bits <= 8) FromPalette(row, output, palette, bits);
            else FromColours(row, output, bits / 8);
        }

        return new ImageField(pixels, (int)height, width, 3);
    }

    private static void RequireSupported(ReadOnlySpan<byte> file, int bits, uint compression, int header)
    {
        if (bits is not (1 or 4 or 8 or 24 or 32))
            throw new InvalidDataException($"a bitmap of {bits} bits a pixel is not supported");
        if (compression == 0) return;
        var masks = file[(FileHeader + InfoHeader)..];
        // Masks follow the header of 40 bytes, or are the first fields of a longer one: the same place.
        var plain = compression is 3 or 6 && bits == 32 && masks.Length >= 12 && header >= InfoHeader
            && BinaryPrimitives.ReadUInt32LittleEndian(masks) == 0x00FF0000
            && BinaryPrimitives.ReadUInt32LittleEndian(masks[4..]) == 0x0000FF00
            && BinaryPrimitives.ReadUInt32LittleEndian(masks[8..]) == 0x000000FF;
        if (!plain) throw new InvalidDataException($"a compressed bitmap (kind {compression}) is not supported");
    }

    private static ReadOnlySpan<byte> PaletteOf(ReadOnlySpan<byte> file, int offset, uint colours, int bits)
    {
        if (colours > 1u << bits) throw new InvalidDataException($"the bitmap claims {colours} colours in {bits} bits");
        if (offset + ((int)colours * 4) > file.Length) throw new InvalidDataException("the bitmap is cut short");
        return file.Slice(offset, (int)colours * 4);
    }

    private static void FromPalette(ReadOnlySpan<byte> row, Span<byte> output, ReadOnlySpan<byte> palette, int bits)
    {
        for (var x = 0; x < output.Length / 3; x++)
        {
            var bit = x * bits;
            var entry = (row[bit / 8] >> (8 - bits - (bit % 8))) & ((1 << bits) - 1);
            if (entry * 4 >= palette.Length)
                throw new InvalidDataException($"the bitmap uses colour {entry}, which its palette lacks");
            (output[3 * x], output[(3 * x) + 1], output[(3 * x) + 2]) = (
                palette[(4 * entry) + 2],
                palette[(4 * entry) + 1],
                palette[4 * entry]);
        }
    }

    private static void FromColours(ReadOnlySpan<byte> row, Span<byte> output, int bytes)
    {
        for (var x = 0; x < output.Length / 3; x++)
            (output[3 * x], output[(3 * x) + 1], output[(3 * x) + 2]) = (
                row[(bytes * x) + 2],
                row[(bytes * x) + 1],
                row[bytes * x]);
    }
}
