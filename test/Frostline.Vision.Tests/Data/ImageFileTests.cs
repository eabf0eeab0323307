using CsCheck;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Vision.Data;
using NetVips;
using Xunit;

namespace Frostline.Vision.Tests.Data;

public sealed class ImageFileTests
{
    [Theory]
    [InlineData("a.png")]
    [InlineData("a.webp[lossless]")]
    [InlineData("a.tif")]
    public void Lossless_formats_give_the_very_pixels(string name)
    {
        using var folder = new TemporaryFolder();
        var field = Pictures.Noise(13, 17);
        Pictures.Write(field, Path.Combine(folder.Path, name));
        Assert.Equal(Pictures.Text(field), Pictures.Text(ImageFile.Decode(Path.Combine(folder.Path, name.Split('[')[0]))));
    }

    [Fact]
    public void A_format_is_recognised_by_content_whatever_the_name()
    {
        using var folder = new TemporaryFolder();
        var field = Pictures.Noise(13, 17);
        var path = Pictures.Write(field, Path.Combine(folder.Path, "a.png"));
        File.Move(path, Path.Combine(folder.Path, "a.jpg"));
        Assert.Equal(field.Pixels, ImageFile.Decode(Path.Combine(folder.Path, "a.jpg")).Pixels);
    }

    [Fact]
    public void Grey_alpha_palette_and_16_bit_pictures_become_RGB()
    {
        using var folder = new TemporaryFolder();
        var grey = Pictures.Noise(8, 9, 1);
        var repeated = Pictures.Text(new ImageField(Colour.Repeat(grey.Pixels), 8, 9, 3));
        Assert.Equal(repeated, Pictures.Text(Decoded(Pictures.ToVips(grey), "grey.png")));

        using var alpha = Pictures.ToVips(grey).Linear([0.0], [0.0]).Cast(Enums.BandFormat.Uchar);
        Assert.Equal(repeated, Pictures.Text(Decoded(Pictures.ToVips(grey).Bandjoin(alpha), "grey-alpha.png")));
        var colour = Pictures.Noise(8, 9);
        Assert.Equal(Pictures.Text(colour), Pictures.Text(Decoded(Pictures.ToVips(colour).Bandjoin(alpha), "colour-alpha.png")));

        using var deep = Deep(colour, Enums.Interpretation.Rgb16);
        Assert.Equal(Pictures.Text(colour), Pictures.Text(Decoded(deep, "deep.png")));
        using var deepGrey = Deep(grey, Enums.Interpretation.Grey16);
        Assert.Equal(repeated, Pictures.Text(Decoded(deepGrey, "deep-grey.png")));
        var two = new ImageField([0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0], 2, 2, 3);
        Assert.Equal(Pictures.Text(two), Pictures.Text(Decoded(Pictures.ToVips(two), "palette.png[palette]")));

        static Image Deep(ImageField field, Enums.Interpretation interpretation) =>
            Pictures.ToVips(field).Linear([256.0], [77.0]).Cast(Enums.BandFormat.Ushort).Copy(interpretation: interpretation);

        ImageField Decoded(Image image, string name)
        {
            var path = Path.Combine(folder.Path, name);
            image.WriteToFile(path);
            return ImageFile.Decode(path.Split('[')[0]);
        }
    }

    [Fact]
    public void Files_that_Pillow_writes_decode_as_Pillow_decodes_them()
    {
        using var folder = new TemporaryFolder();
        Pictures.Write(Pictures.Slope(40, 51), Path.Combine(folder.Path, "source.png"));
        var files = PythonPeer.Run("PIL", """
            import sys, os
            from PIL import Image
            os.chdir(sys.argv[1])
            s = Image.open('source.png')
            noise = Image.effect_noise((51, 40), 90)
            makes = {'24.bmp': s, 'grey.bmp': noise, '32.bmp': s.convert('RGBA'), 'palette.bmp': s.convert('P'), 'one.bmp': noise.convert('1'),
                     'cmyk.jpg': s.convert('CMYK'), 'grey.jpg': noise, 'colour.jpg': s, 'lossy.webp': s, 'palette.png': s.convert('P'),
                     'one.png': noise.convert('1'), 'a.gif': s.convert('P'), 'progressive.jpg': s}
            for name, image in makes.items():
                image.save(name, quality=90, progressive=name.startswith('prog')) if name.endswith('.jpg') else image.save(name)
                open(name + '.rgb', 'wb').write(Image.open(name).convert('RGB').tobytes())
                print(name)
            """, folder.Path).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(13, files.Length);
        foreach (var file in files)
        {
            var image = ImageFile.Decode(Path.Combine(folder.Path, file));
            var (mean, most) = Pictures.Difference(File.ReadAllBytes(Path.Combine(folder.Path, file + ".rgb")), image.Pixels);
            Assert.True(most <= 1 && mean < 0.01, $"{file}: mean {mean}, at most {most}");
        }
    }

    [Fact]
    public void Bitmaps_may_be_top_down()
    {
        byte[] file =
        [
            .. "BM"u8, 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0,
            40, 0, 0, 0, 1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 1, 0, 24, 0, .. new byte[24],
            3, 2, 1, 0, 6, 5, 4, 0,
        ];
        Assert.Equal("2x1x3: 010203040506", Pictures.Text(ImageFile.Decode(file, "a.bmp")));
    }

    [Theory]
    [InlineData("jpg")]
    [InlineData("png")]
    [InlineData("webp")]
    public void The_EXIF_orientation_is_respected(string extension)
    {
        using var folder = new TemporaryFolder();
        // Bright top left, middling top right, dark below: each orientation gives another picture.
        var pixels = new byte[32 * 48 * 3];
        for (var i = 0; i < 32 * 48; i++) pixels.AsSpan(3 * i, 3).Fill((byte)(i / 48 >= 16 ? 20 : i % 48 < 24 ? 230 : 120));
        var upright = new ImageField(pixels, 32, 48, 3);
        for (var orientation = 1; orientation <= 8; orientation++)
        {
            using var image = Pictures.ToVips(upright);
            // Orientation o is undone on reading; writing the inverse makes every file show the same.
            using var turned = Invert(image, orientation);
            using var marked = turned.Mutate(m => m.Set(GValue.GIntType, "orientation", orientation));
            var path = Path.Combine(folder.Path, $"{orientation}.{extension}");
            marked.WriteToFile(path);
            var read = ImageFile.Decode(path);
            Assert.Equal((32, 48), (read.Height, read.Width));
            Assert.True(Pictures.Difference(upright.Pixels, read.Pixels).Mean < 3, $"orientation {orientation}");
        }

        static Image Invert(Image image, int orientation) => orientation switch
        {
            2 => image.FlipHor(),
            3 => image.Rot180(),
            4 => image.FlipVer(),
            5 => image.Rot90().FlipHor(),
            6 => image.Rot270(),
            7 => image.Rot90().FlipVer(),
            8 => image.Rot90(),
            _ => image.Copy(),
        };
    }

    [Fact]
    public void What_cannot_be_read_is_named_with_the_reason()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "a.jpg");
        Assert.Contains("does not exist", Fails(path), StringComparison.Ordinal);
        File.WriteAllBytes(path, []);
        Assert.Contains("empty", Fails(path), StringComparison.Ordinal);
        File.WriteAllText(path, "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>");
        Assert.Contains("known format (PNG, JPEG", Fails(path), StringComparison.Ordinal);
        Pictures.Write(Pictures.Noise(50, 50), path);
        var whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..(whole.Length / 2)]);
        Assert.Contains("damaged image", Fails(path), StringComparison.Ordinal);
        Assert.Contains("cannot be read", Fails(folder.Path), StringComparison.Ordinal);

        static string Fails(string path)
        {
            var error = Assert.Throws<UnreadableSampleException>(() => ImageFile.Decode(path));
            Assert.Equal(path, error.SampleSource);
            Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
            return error.Message;
        }
    }

    [Fact]
    public void Damaged_files_give_a_picture_or_an_unreadable_sample_and_nothing_else()
    {
        using var image = Pictures.ToVips(Pictures.Slope(16, 24));
        byte[][] files =
        [
            image.JpegsaveBuffer(), image.PngsaveBuffer(), image.WebpsaveBuffer(), image.GifsaveBuffer(), image.TiffsaveBuffer(),
            Bitmap(8), Bitmap(24), Bitmap(32), Bitmap(1),
        ];
        var changed = Gen.Select(Gen.Int[0, 100_000], Gen.Byte).Array[1, 8];
        Gen.Select(Gen.OneOf(files), changed, Gen.Int[0, 3], Gen.Int[0, 100_000]).Holds(
            (file, changes, cut, length) =>
            {
                byte[] damaged = [.. file];
                // Half of the changes hit the headers, which lie in the first bytes.
                foreach (var (at, value) in changes)
                    damaged[at % 2 == 0 ? at % Math.Min(64, damaged.Length) : at % damaged.Length] = value;
                if (cut == 0) damaged = damaged[..(length % damaged.Length)];
                try
                {
                    _ = ImageFile.Decode(damaged, "x");
                }
                catch (UnreadableSampleException)
                {
                    // As promised.
                }
            },
            samples: 3000);
    }

    private static byte[] Bitmap(int bits)
    {
        var stride = ((24 * bits) + 31) / 32 * 4;
        var palette = bits <= 8 ? 4 << bits : 0;
        byte[] file = [.. "BM"u8, .. new byte[52 + palette + (stride * 16)]];
        BitConverter.TryWriteBytes(file.AsSpan(10), 54 + palette);
        BitConverter.TryWriteBytes(file.AsSpan(14), 40);
        BitConverter.TryWriteBytes(file.AsSpan(18), 24);
        BitConverter.TryWriteBytes(file.AsSpan(22), 16);
        BitConverter.TryWriteBytes(file.AsSpan(28), (short)bits);
        _ = ImageFile.Decode(file, "bitmap");
        return file;
    }
}
