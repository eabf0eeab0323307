using System.Collections.Frozen;
using Frostline.Staging;
using Frostline.Training.Data;
using NetVips;

namespace Frostline.Vision.Data;

/// <summary>
/// Decodes image files to 8-bit RGB: PNG, JPEG, WebP, BMP, GIF (its first frame) and TIFF (its first page), recognised by
/// content. The EXIF orientation is applied; grey, palette, CMYK and 16-bit pictures are converted; alpha and colour profiles are
/// ignored, as Pillow's <c>convert("RGB")</c> ignores them. Decoding is libvips', one thread a call, nothing cached. Encodes them too.
/// </summary>
public static class ImageFile
{
    /// <summary>The most pixels that a file may claim: 2^28.</summary>
    public const long MostPixels = 1L << 28;

    private static readonly FrozenSet<string> ExtensionSet =
        new[] { ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly Lazy<string> Decoder = new(() => FormattableString.Invariant(
        $"{typeof(ImageFile).Module.ModuleVersionId} libvips {NetVips.NetVips.Version(0)}.{NetVips.NetVips.Version(1)}.{NetVips.NetVips.Version(2)}"));

    // libvips keeps calling it: a field, so that it is not collected.
    private static readonly Log.LogDelegate Silent = (_, _, _) => { };

    static ImageFile()
    {
        // What is wrong with a file is in the exception; on the error stream of a training run it would be noise.
        Log.SetLogHandler("VIPS", Enums.LogLevelFlags.Warning, Silent);

        // The loader's workers are the parallelism, and no picture is decoded twice in the same way.
        NetVips.NetVips.Concurrency = 1;
        Cache.Max = 0;
    }

    /// <summary>The extensions by which folders are searched, with the dot; case does not count.</summary>
    public static IReadOnlySet<string> Extensions => ExtensionSet;

    /// <summary>
    /// The image files of a folder and of those below it, by extension, ordered by relative path (ordinal); hidden ones are left
    /// out.
    /// </summary>
    /// <param name="folder">The folder, which has to exist.</param>
    public static IReadOnlyList<string> In(string folder)
    {
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            MaxRecursionDepth = 32,
            AttributesToSkip = FileAttributes.Hidden | FileAttributes.System,
        };
        return [.. Directory.EnumerateFiles(folder, "*", options)
            .Where(path => ExtensionSet.Contains(Path.GetExtension(path)))
            .OrderBy(path => Path.GetRelativePath(folder, path).Replace('\\', '/'), StringComparer.Ordinal)];
    }

    /// <summary>Decodes a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UnreadableSampleException">
    /// The file is missing, damaged, cut short, too large or of an unknown format.
    /// </exception>
    public static ImageField Decode(string path) => Decode(ReadAll(path), path);

    /// <summary>The bytes of a file.</summary>
    /// <exception cref="UnreadableSampleException">It is missing or cannot be read.</exception>
    internal static byte[] ReadAll(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UnreadableSampleException(path, "the file does not exist", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UnreadableSampleException(path, $"the file cannot be read ({error.Message})", error);
        }
    }

    /// <summary>A hash of a file's bytes and of what decodes them: another version may decode to other pixels.</summary>
    internal static UInt128 HashOf(ReadOnlySpan<byte> content) => new FeatureKeyBuilder().Add(Decoder.Value).AddHash(FeatureKey.HashOf(content)).Build().Value;

    /// <summary>Decodes a file's content.</summary>
    /// <param name="content">The bytes of the file.</param>
    /// <param name="source">What to call it in errors.</param>
    /// <exception cref="UnreadableSampleException">
    /// The content is damaged, cut short, too large or of an unknown format.
    /// </exception>
    public static ImageField Decode(byte[] content, string source)
    {
        ArgumentNullException.ThrowIfNull(content);
        if (content.Length == 0) throw new UnreadableSampleException(source, "the file is empty");
        try
        {
            if (content.AsSpan().StartsWith("BM"u8)) return BmpReader.Decode(content, MostPixels);
            if (!IsKnown(content))
                throw new InvalidDataException("not an image of a known format (PNG, JPEG, WebP, BMP, GIF, TIFF)");
            return DecodeByVips(content);
        }
        catch (InvalidDataException error)
        {
            throw new UnreadableSampleException(source, error.Message, error);
        }
        catch (VipsException error)
        {
            throw new UnreadableSampleException(source, $"damaged image ({OneLine(error.Message)})", error);
        }
    }

    /// <summary>
    /// Writes a picture, whole or not at all: <c>.png</c>, <c>.tif</c> and <c>.webp</c> without loss, <c>.jpg</c> with the quality 95.
    /// Grey levels are written as they are; what transforms made them mean is not.
    /// </summary>
    /// <param name="picture">The picture.</param>
    /// <param name="path">The file to create or replace; its folder is created where it is missing.</param>
    /// <exception cref="FrostlineException">The extension is of another format, or the picture is too large for the format.</exception>
    public static void Save(ImageField picture, string path)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentException.ThrowIfNullOrEmpty(path);
        var format = Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".PNG" => ".png",
            ".JPG" or ".JPEG" => ".jpg[Q=95]",
            ".WEBP" => ".webp[lossless]",
            ".TIF" or ".TIFF" => ".tif",
            var other => throw new FrostlineException(
                $"{path}: pictures cannot be written as \"{other}\"; end the name in .png, .jpg, .webp or .tif"),
        };
        var (meaning, kind) = (picture.Channels == 1 ? Enums.Interpretation.Bw : Enums.Interpretation.Srgb, Enums.BandFormat.Uchar);
        try
        {
            using var plain = Image.NewFromMemoryCopy(picture.Pixels, picture.Width, picture.Height, picture.Channels, kind);
            using var image = plain.Copy(interpretation: meaning);
            var content = image.WriteToBuffer(format);
            AtomicFile.Write(path, stream => stream.Write(content));
        }
        catch (VipsException error)
        {
            throw new FrostlineException($"{path}: the picture of {picture.Height} x {picture.Width} cannot be written ({OneLine(error.Message)})", error);
        }
    }

    private static ImageField DecodeByVips(byte[] content)
    {
        using var opened = Image.NewFromBuffer(content, access: Enums.Access.Sequential, failOn: Enums.FailOn.Error);
        if ((long)opened.Width * opened.Height > MostPixels)
            throw new InvalidDataException($"the image claims {opened.Width} x {opened.Height} pixels");
        var orientation = opened.Contains("orientation")
            ? Convert.ToInt32(opened.Get("orientation"), System.Globalization.CultureInfo.InvariantCulture)
            : 1;
        // Turning needs the pixels in any order; the file gives them from top to bottom.
        using var inMemory = orientation > 1 ? opened.CopyMemory() : null;
        using var upright = inMemory?.Autorot();
        var image = upright ?? opened;
        if (image.Interpretation == Enums.Interpretation.Cmyk && image.Bands >= 4 && image.Format == Enums.BandFormat.Uchar)
        {
            using var inks = image.ExtractBand(0, n: 4);
            return FromInks(inks.WriteToMemory<byte>(), image.Height, image.Width);
        }

        // Alpha is dropped before the conversion, so that no blending takes place.
        using var opaque = image.HasAlpha() ? image.ExtractBand(0, n: image.Bands - 1) : image.Copy();
        using var colour = opaque.Colourspace(Enums.Interpretation.Srgb);
        using var three = colour.Bands > 3 ? colour.ExtractBand(0, n: 3) : colour.Copy();
        using var bytes = three.Cast(Enums.BandFormat.Uchar);
        if (bytes.Bands != 3) throw new InvalidDataException($"an image with {bytes.Bands} bands is not supported");
        return new ImageField(bytes.WriteToMemory<byte>(), bytes.Height, bytes.Width, 3);
    }

    /// <summary>CMYK to RGB without a profile, as Pillow's <c>cmyk2rgb</c>: R = (255 - K) (1 - C / 255), rounded.</summary>
    private static ImageField FromInks(byte[] inks, int height, int width)
    {
        var pixels = GC.AllocateUninitializedArray<byte>(height * width * 3);
        for (int i = 0, o = 0; o < pixels.Length; i += 4, o += 3)
        {
            var light = 255 - inks[i + 3];
            for (var c = 0; c < 3; c++)
            {
                // A product over 255, rounded, without division.
                var product = (inks[i + c] * light) + 128;
                pixels[o + c] = (byte)Math.Clamp(light - (((product >> 8) + product) >> 8), 0, 255);
            }
        }

        return new ImageField(pixels, height, width, 3);
    }

    private static bool IsKnown(ReadOnlySpan<byte> content) =>
        content.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A])
        || content.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])
        || (content.StartsWith("RIFF"u8) && content.Length >= 12 && content[8..12].SequenceEqual("WEBP"u8))
        || content.StartsWith("GIF87a"u8)
        || content.StartsWith("GIF89a"u8)
        || content.StartsWith((ReadOnlySpan<byte>)[(byte)'I', (byte)'I', 42, 0])
        || content.StartsWith((ReadOnlySpan<byte>)[(byte)'M', (byte)'M', 0, 42]);

    private static string OneLine(string message)
    {
        var lines = message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        // The first line only says that a load failed; the next says why.
        return lines.Length > 1 ? lines[1] : lines.FirstOrDefault() ?? "";
    }
}
