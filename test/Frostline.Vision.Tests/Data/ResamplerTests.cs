using Frostline.Testing;
using Frostline.Vision.Data;
using Xunit;

namespace Frostline.Vision.Tests.Data;

public sealed class ResamplerTests
{
    private const string Script = """
        import sys
        from PIL import Image
        image = Image.open(sys.argv[1])
        for target in sys.argv[3:]:
            name, width, height = target.split(',')
            out = image.resize((int(width), int(height)), getattr(Image, name.upper()))
            open(f'{sys.argv[2]}/{target}', 'wb').write(out.tobytes())
        """;

    public static TheoryData<string, int, int, int> Sources => new()
    {
        { "noise", 61, 97, 3 },
        { "noise", 40, 33, 1 },
        { "slope", 256, 320, 3 },
    };

    [Theory]
    [MemberData(nameof(Sources))]
    public void Resampling_agrees_with_Pillow_on_PNG(string kind, int height, int width, int channels)
    {
        using var folder = new TemporaryFolder();
        var source = kind == "noise" ? Pictures.Noise(height, width, channels) : Pictures.Slope(height, width);
        var path = Pictures.Write(source, Path.Combine(folder.Path, "source.png"));
        (int Width, int Height)[] sizes =
        [
            (width * 5 / 7, height * 5 / 7), (width / 3, height / 3), (width * 17 / 10, height * 17 / 10),
            (width * 3 / 4, height * 13 / 10), (7, 5), (width, height / 2), (width * 2, height), (1, 1),
        ];
        string[] filters = ["Bilinear", "Bicubic", "Nearest"];
        var targets = sizes
            .SelectMany(s => filters.Select(filter => FormattableString.Invariant($"{filter},{s.Width},{s.Height}")))
            .ToArray();
        PythonPeer.Run("PIL", Script, [path, folder.Path, .. targets]);
        foreach (var target in targets)
        {
            var parts = target.Split(',');
            var expected = File.ReadAllBytes(Path.Combine(folder.Path, target));
            var (newWidth, newHeight) = (int.Parse(parts[1], null), int.Parse(parts[2], null));
            var filter = Enum.Parse<Interpolation>(parts[0]);
            var actual = Resampler.Resize(source.Pixels, height, width, channels, newHeight, newWidth, filter);
            var (mean, most) = Pictures.Difference(expected, actual);
            // Promised are 1 and 4 grey levels; the arithmetic is Pillow's, so nothing should differ at all.
            Assert.True(mean == 0 && most == 0, $"{target}: mean {mean}, at most {most}");
        }
    }

    [Fact]
    public void A_photograph_shrinks_as_in_Pillow()
    {
        var photo = ImageFile.In(Fixtures.PathOf("data/hymenoptera/val/ants"))[3];
        using var folder = new TemporaryFolder();
        PythonPeer.Run("PIL", Script, photo, folder.Path, "Bilinear,141,113");
        var image = ImageFile.Decode(photo);
        var (mean, most) = Pictures.Difference(
            File.ReadAllBytes(Path.Combine(folder.Path, "Bilinear,141,113")),
            Resampler.Resize(image.Pixels, image.Height, image.Width, 3, 113, 141, Interpolation.Bilinear));
        Assert.True(mean <= 1 && most <= 4, $"mean {mean}, at most {most}");
    }
}
