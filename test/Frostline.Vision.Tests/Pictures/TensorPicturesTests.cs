using Frostline.Testing;
using Frostline.Vision.Data;
using Frostline.Vision.Pictures;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Pictures;

[Collection(LibTorchCollection.Name)]
public sealed class TensorPicturesTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Floats_are_taken_as_0_to_1_rounded_and_clamped()
    {
        var image = tensor(new[] { -1f, 0, 0.5f, 1, 2, 0.1f, float.PositiveInfinity, float.NegativeInfinity }, [2, 4]).ToImage();
        Assert.Equal((2, 4, 1), (image.Height, image.Width, image.Channels));
        Assert.Equal([0, 0, 128, 255, 255, 26, 255, 0], image.Pixels);
    }

    [Fact]
    public void Planes_become_pixels()
    {
        var rgb = arange(12, dtype: uint8).reshape(3, 2, 2);
        byte[] expected = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11];
        Assert.Equal(expected, rgb.ToImage().Pixels);
        Assert.Equal(expected, rgb.unsqueeze(0).ToImage().Pixels);
        Assert.Equal(expected, rgb.to(int64).ToImage().Pixels);
        Assert.Equal(expected, rgb.to(float64).ToImage(PictureRange.Levels).Pixels);
        // Strides are of no account: the same values, stored otherwise.
        Assert.Equal(expected, rgb.permute(1, 2, 0).contiguous().permute(2, 0, 1).ToImage().Pixels);
        Assert.Equal([0, 1, 2, 3], rgb[0].ToImage().Pixels);
        Assert.Equal([0, 1, 2, 3], rgb[0].unsqueeze(0).ToImage().Pixels);
    }

    [Fact]
    public void A_tensor_that_requires_a_gradient_is_taken_as_it_is()
    {
        var x = full([2, 2], 0.5f, requires_grad: true);
        var y = x.mul(x);
        Assert.Equal([64, 64, 64, 64], y.ToImage().Pixels);
        Assert.True(y.requires_grad);
        y.sum().backward();
        Assert.Equal(1, x.grad![0, 0].Number());
        using (no_grad()) Assert.Equal([64, 64, 64, 64], y.ToImage().Pixels);
    }

    [Fact]
    public void Every_real_type_is_taken()
    {
        Assert.Equal([0, 255], tensor(new[] { false, true }, [1, 2]).ToImage().Pixels);
        Assert.Equal([128, 255], tensor(new[] { 0.5f, 1 }, [1, 2]).to(float16).ToImage().Pixels);
        Assert.Equal([128, 255], tensor(new[] { 0.5f, 1 }, [1, 2]).to(bfloat16).ToImage().Pixels);
        Assert.Equal([0, 7], tensor(new[] { 0f, 7 }, [1, 2]).to_sparse().to(int32).ToImage().Pixels);
        Assert.Throws<ArgumentException>(() => zeros(2, 2, complex64).ToImage());
    }

    [Fact]
    public void The_range_says_what_is_black_and_white()
    {
        var x = tensor(new[] { -1f, 0, 1, 3 }, [2, 2]);
        Assert.Equal([0, 128, 255, 255], x.ToImage(PictureRange.Signed).Pixels);
        Assert.Equal([0, 64, 128, 255], x.ToImage(PictureRange.Of(x)).Pixels);
        Assert.Equal([0, 0, 255, 255], x.ToImage(new PictureRange(0.5, 0.5)).Pixels);
        Assert.Equal(new PictureRange(-1, 3), PictureRange.Of(x));
        Assert.Throws<ArgumentException>(() => x.ToImage(new PictureRange(1, 0)));
        Assert.Throws<ArgumentException>(() => x.ToImage(new PictureRange(double.NaN, 0)));
        Assert.Throws<ArgumentException>(() => PictureRange.Of(zeros(0)));
        Assert.Throws<ArgumentException>(() => PictureRange.Of(tensor(float.PositiveInfinity)));
    }

    public static TheoryData<long[]> WrongShapes => new([], [3], [2, 2, 2], [2, 3, 4, 4], [4, 4, 3], [1, 1, 3, 4, 4], [3, 0, 4]);

    [Theory]
    [MemberData(nameof(WrongShapes))]
    public void Other_shapes_are_refused_and_the_message_says_what_to_do(long[] shape)
    {
        var error = Assert.Throws<ArgumentException>(() => zeros(shape).ToImage());
        Assert.Contains($"[{string.Join(", ", shape)}]", error.Message);
        Assert.Contains("permute", error.Message);
    }

    [Fact]
    public void What_is_no_number_has_no_colour()
    {
        var x = tensor(new[] { 0f, float.NaN, 1, float.NaN }, [2, 2]);
        Assert.Contains("2 of 4 values", Assert.Throws<ArgumentException>(() => x.ToImage()).Message);
        Assert.Throws<ArgumentException>(() => x.unsqueeze(0).ToFeatureMaps(range: PictureRange.Unit));
        Assert.Throws<ArgumentException>(() => HeatMap.Over(x.nan_to_num().ToImage(), x, range: PictureRange.Unit));
    }

    [Theory]
    [InlineData(".png", 0)]
    [InlineData(".tif", 0)]
    [InlineData(".WebP", 0)]
    [InlineData(".jpg", 6)]
    public void Files_hold_the_picture(string extension, int difference)
    {
        var ramp = linspace(0, 1, 32).expand(3, 24, 32).clone();
        ramp[1] = linspace(0, 1, 24).unsqueeze(1).expand(24, 32);
        var path = _folder.PathOf($"new/picture{extension}");
        ramp.requires_grad_().SaveImage(path);
        var read = ImageFile.Decode(path);
        Assert.Equal((24, 32), (read.Height, read.Width));
        Assert.All(ramp.ToImage().Pixels.Zip(read.Pixels), pair => Assert.InRange(pair.First - pair.Second, -difference, difference));

        ramp[0].SaveImage(path);
        Assert.Equal(3, ImageFile.Decode(path).Channels);
        Assert.Empty(Directory.EnumerateFiles(_folder.PathOf("new"), "*.tmp"));
    }

    [Fact]
    public void Formats_that_cannot_be_written_are_named()
    {
        var error = Assert.Throws<FrostlineException>(() => zeros(2, 2).SaveImage(_folder.PathOf("picture.gif")));
        Assert.Contains(".gif", error.Message);
        Assert.Contains(".png", error.Message);
        Assert.Throws<FrostlineException>(() => zeros(2, 2).SaveImage(_folder.PathOf("picture")));
        Assert.Throws<FrostlineException>(() => zeros(1, 20_000).SaveImage(_folder.PathOf("picture.webp")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Feature_maps_are_scaled_each_by_its_own_range_or_all_by_one()
    {
        var activation = tensor(new[] { 0f, 1, 0, 10 }, [1, 2, 1, 2]).requires_grad_();
        Assert.All(activation.ToFeatureMaps(ColorMap.Gray), map => Assert.Equal([0, 255], map.Pixels));
        var shared = activation.ToFeatureMaps(ColorMap.Gray, PictureRange.Of(activation));
        Assert.Equal([0, 26], shared[0].Pixels);
        Assert.Equal([0, 255], shared[1].Pixels);
        Assert.Equal(3, activation.ToFeatureMaps()[0].Channels);
        Assert.Equal([0, 0], zeros(1, 1, 2).ToFeatureMaps(ColorMap.Gray)[0].Pixels);
        Assert.Throws<ArgumentException>(() => zeros(2, 2).ToFeatureMaps());
        Assert.Throws<ArgumentException>(() => zeros(2, 3, 2, 2).ToFeatureMaps());
    }

    [Fact]
    public void A_grid_puts_pictures_side_by_side()
    {
        var pictures = tensor(new byte[] { 1, 2, 3 }, [3, 1, 1, 1]).ToImages();
        var grid = PictureGrid.Of(pictures, columns: 2, gap: 1, scale: 2, background: 9);
        Assert.Equal((7, 7, 1), (grid.Height, grid.Width, grid.Channels));
        byte[] expected =
        [
            9, 9, 9, 9, 9, 9, 9,
            9, 1, 1, 9, 2, 2, 9,
            9, 1, 1, 9, 2, 2, 9,
            9, 9, 9, 9, 9, 9, 9,
            9, 3, 3, 9, 9, 9, 9,
            9, 3, 3, 9, 9, 9, 9,
            9, 9, 9, 9, 9, 9, 9,
        ];
        Assert.Equal(expected, grid.Pixels);
        var mixed = PictureGrid.Of([pictures[0], tensor(new byte[] { 4, 5, 6 }, [3, 1, 1]).ToImage()], gap: 0);
        Assert.Equal([1, 1, 1, 4, 5, 6], mixed.Pixels);
        Assert.Throws<ArgumentException>(() => PictureGrid.Of([]));
        Assert.Throws<ArgumentException>(() => PictureGrid.Of([pictures[0], zeros(2, 1).ToImage()]));
        Assert.Throws<ArgumentException>(() => PictureGrid.Of(pictures, scale: 1 << 20));
    }

    [Fact]
    public void Colour_maps_go_through_their_published_colours()
    {
        AssertNear(ColorMap.Viridis, 0, (68, 1, 84), 4);
        AssertNear(ColorMap.Viridis, 64, (59, 82, 139), 4);
        AssertNear(ColorMap.Viridis, 128, (33, 145, 140), 4);
        AssertNear(ColorMap.Viridis, 255, (253, 231, 37), 4);
        AssertNear(ColorMap.Turbo, 0, (48, 18, 59), 36);
        AssertNear(ColorMap.Turbo, 32, (70, 107, 227), 24);
        AssertNear(ColorMap.Turbo, 128, (164, 252, 60), 24);
        AssertNear(ColorMap.Turbo, 255, (122, 4, 3), 24);
        var brightness = Enumerable.Range(0, 256).Select(level => ColorMaps.ColorOf(ColorMap.Viridis, (byte)level).ToArray())
            .Select(c => (0.2126 * c[0]) + (0.7152 * c[1]) + (0.0722 * c[2])).ToList();
        Assert.All(brightness.Zip(brightness.Skip(1)), pair => Assert.True(pair.Second > pair.First - 0.3));
        Assert.Throws<ArgumentOutOfRangeException>(() => zeros(1, 1, 1).ToFeatureMaps((ColorMap)7));

        static void AssertNear(ColorMap map, byte level, (int R, int G, int B) expected, int tolerance)
        {
            var colour = ColorMaps.ColorOf(map, level);
            Assert.InRange(colour[0] - expected.R, -tolerance, tolerance);
            Assert.InRange(colour[1] - expected.G, -tolerance, tolerance);
            Assert.InRange(colour[2] - expected.B, -tolerance, tolerance);
        }
    }

    [Theory]
    [InlineData(2, 3, 7, 11)]
    [InlineData(1, 1, 4, 4)]
    [InlineData(5, 5, 5, 5)]
    [InlineData(9, 8, 4, 3)]
    public void Heat_is_enlarged_as_interpolate_does(int height, int width, int newHeight, int newWidth)
    {
        var heat = linspace(0, 3, height * width).sin().reshape(1, 1, height, width);
        var expected = nn.functional.interpolate(heat, [newHeight, newWidth], mode: InterpolationMode.Bilinear, align_corners: false);
        var actual = HeatMap.Resize(heat.data<float>().ToArray(), height, width, newHeight, newWidth);
        Assert.All(expected.data<float>().ToArray().Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
    }

    [Fact]
    public void A_heat_map_tints_the_picture_as_strongly_as_asked()
    {
        var picture = full([3, 4, 4], 100, dtype: uint8).ToImage();
        var heat = tensor(new[] { 0f, 1, 0, 1 }, [1, 1, 2, 2]).requires_grad_();
        Assert.Equal(picture.Pixels, HeatMap.Over(picture, heat, strength: 0).Pixels);
        var alone = HeatMap.Over(picture, heat, strength: 1);
        Assert.Equal(ColorMaps.ColorOf(ColorMap.Turbo, 0), alone.Pixels.AsSpan(0, 3));
        Assert.Equal(ColorMaps.ColorOf(ColorMap.Turbo, 255), alone.Pixels.AsSpan(9, 3));
        var half = HeatMap.Over(picture, heat, ColorMap.Gray).Pixels;
        Assert.Equal((50, 178), (half[0], half[9]));
        Assert.Equal(3, HeatMap.Over(zeros(4, 4).ToImage(), heat).Channels);
        Assert.Throws<ArgumentOutOfRangeException>(() => HeatMap.Over(picture, heat, strength: 1.5));
        Assert.Throws<ArgumentException>(() => HeatMap.Over(picture, zeros(2, 2, 2)));
        Assert.Throws<ArgumentException>(() => HeatMap.Over(picture, zeros(4)));
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        var x = rand(1, 3, 4, 4, requires_grad: true);
        var before = LiveTensors.CountWithoutGarbage();
        _ = x.ToImage();
        _ = x.ToFeatureMaps();
        Assert.Equal(before, LiveTensors.CountWithoutGarbage());
    }
}
