using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class PoseWarpTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_identity_and_whole_shifts_move_pixels_as_they_are(int channels)
    {
        var image = Data.Pictures.Noise(17, 23, channels);
        Assert.Equal(image.Pixels, PoseWarp.Apply(image, Affine.Identity, 23, 17).Pixels);
        var shifted = PoseWarp.Apply(image, new Affine(1, 0, 5, 0, 1, -3), 30, 12);
        for (var y = 0; y < 12; y++)
            for (var x = 0; x < 30; x++)
                for (var c = 0; c < channels; c++) Assert.Equal(At(image, x - 5, y + 3, c), At(shifted, x, y, c));
    }

    [Fact]
    public void Quarter_turns_and_mirrors_are_exact()
    {
        var image = Data.Pictures.Noise(9, 13);
        var turned = PoseWarp.Apply(image, new Affine(0, -1, 8, 1, 0, 0), 9, 13);
        var mirrored = PoseWarp.Apply(image, new Affine(-1, 0, 12, 0, 1, 0), 13, 9);
        Assert.Equal(Geometry.FlipHorizontally(image).Pixels, mirrored.Pixels);
        for (var y = 0; y < 13; y++)
            for (var x = 0; x < 9; x++)
                for (var c = 0; c < 3; c++) Assert.Equal(At(image, y, 8 - x, c), At(turned, x, y, c));
        // A view's turn goes by a cosine that is not quite 0.
        var seen = PoseWarp.Apply(image, new PoseView(6, 4, 8, 8, Rotation: 90).ToInput(8, 8), 8, 8);
        for (var y = 0; y < 8; y++)
            for (var x = 0; x < 8; x++) Assert.Equal(At(image, 10 - y, x, 0), At(seen, x, y, 0));
    }

    [Fact]
    public void Values_are_mixed_bilinearly_and_black_lies_outside() => Gen.Select(
        Gen.Double[-2, 2].Array[4], Gen.Double[-10, 30].Array[2], Gen.Bool, Gen.Int[1, 1000]).Holds(
        (linear, shift, isGrey, seed) =>
        {
            var map = new Affine(linear[0], linear[1], shift[0], linear[2], linear[3], shift[1]);
            if (Math.Abs((map.A * map.E) - (map.B * map.D)) < 0.05) return;
            var image = Data.Pictures.Noise(1 + (seed % 7), 1 + (seed % 5), isGrey ? 1 : 3, seed);
            var warped = PoseWarp.Apply(image, map, 24, 20);
            var back = map.Inverse();
            for (var y = 0; y < 20; y++)
            {
                for (var x = 0; x < 24; x++)
                {
                    var (fromX, fromY) = back.Apply(x, y);
                    for (var c = 0; c < image.Channels; c++)
                    {
                        // Positions are rounded to 1/2048 pixel, of at most 255 levels each way; the value to a level.
                        var difference = Math.Abs(Mixed(image, fromX, fromY, c) - At(warped, x, y, c));
                        Assert.True(difference <= 0.5 + (255.0 / 2048) + 1e-6, $"off by {difference} levels");
                    }
                }
            }
        },
        samples: 60);

    [Fact]
    public void What_grey_levels_mean_stays()
    {
        var image = new Scale { Divisor = 255 }.Apply(Data.Pictures.Noise(6, 6), new CounterRandom(1, "none"));
        var warped = PoseWarp.Apply(image, new Affine(1, 0, 1, 0, 1, 0), 6, 6);
        Assert.Equal(At(image, 0, 0, 0) / 255f, ((float[])warped.ToTensor().Values)[1]);
    }

    [Fact]
    public void Parts_beyond_all_pictures_are_refused_and_empty_ones_are_black()
    {
        var image = Data.Pictures.Noise(6, 6);
        Assert.Throws<FrostlineException>(() => PoseWarp.Apply(image, new Affine(1e-12, 0, 0, 0, 1e-12, 0), 4, 4));
        Assert.All(PoseWarp.Apply(image, new Affine(1, 0, 1000, 0, 1, 0), 4, 4).Pixels, level => Assert.Equal(0, level));
    }

    private static double Mixed(ImageField image, double x, double y, int channel)
    {
        var (column, row) = ((int)Math.Floor(x), (int)Math.Floor(y));
        var (dx, dy) = (x - column, y - row);
        var upper = ((1 - dx) * At(image, column, row, channel)) + (dx * At(image, column + 1, row, channel));
        var lower = ((1 - dx) * At(image, column, row + 1, channel)) + (dx * At(image, column + 1, row + 1, channel));
        return ((1 - dy) * upper) + (dy * lower);
    }

    private static byte At(ImageField image, int x, int y, int channel) =>
        x < 0 || y < 0 || x >= image.Width || y >= image.Height ? (byte)0 : image.Pixels[(((y * image.Width) + x) * image.Channels) + channel];
}
