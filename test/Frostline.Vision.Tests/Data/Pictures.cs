using System.Globalization;
using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using NetVips;

namespace Frostline.Vision.Tests.Data;

/// <summary>Pictures that tests make, write and compare.</summary>
internal static class Pictures
{
    /// <summary>A picture of noise, the hardest case for resampling.</summary>
    public static ImageField Noise(int height, int width, int channels = 3, long seed = 1)
    {
        var random = new CounterRandom(seed, "noise");
        var pixels = new byte[height * width * channels];
        for (var i = 0; i < pixels.Length; i++) pixels[i] = (byte)random.NextInt32(256);
        return new ImageField(pixels, height, width, channels);
    }

    /// <summary>A smooth picture in which every place has another colour.</summary>
    public static ImageField Slope(int height, int width)
    {
        var pixels = new byte[height * width * 3];
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
                (pixels[3 * ((y * width) + x)], pixels[(3 * ((y * width) + x)) + 1], pixels[(3 * ((y * width) + x)) + 2]) =
                    ((byte)(255 * x / width), (byte)(255 * y / height), (byte)(127 * ((x / 8 + y / 8) % 2)));
        return new ImageField(pixels, height, width, 3);
    }

    public static Image ToVips(ImageField field) =>
        Image.NewFromMemory(field.Pixels, field.Width, field.Height, field.Channels, Enums.BandFormat.Uchar)
            .Copy(interpretation: field.Channels == 3 ? Enums.Interpretation.Srgb : Enums.Interpretation.Bw);

    public static string Write(ImageField field, string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var image = ToVips(field);
        image.WriteToFile(path);
        return path;
    }

    /// <summary>An array as a test writes it: height, width and bytes.</summary>
    public static string Text(ImageField field) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{field.Height}x{field.Width}x{field.Channels}: {Convert.ToHexString(field.Pixels)}");

    public static (double Mean, int Most) Difference(byte[] a, byte[] b)
    {
        Xunit.Assert.Equal(a.Length, b.Length);
        var differences = a.Zip(b, (x, y) => Math.Abs(x - y)).ToList();
        return (differences.Average(), differences.Max());
    }

    public static BuildContext Context(string folder, ClassMap? classes = null, long seed = 0) =>
        new() { Folder = folder, Classes = classes, Seed = seed };

    public static CounterRandom Random(long seed = 0) => new(seed, "test");
}
