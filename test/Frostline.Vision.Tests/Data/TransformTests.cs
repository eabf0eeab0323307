using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Vision.Data;
using Xunit;

namespace Frostline.Vision.Tests.Data;

public sealed class TransformTests
{
    [Theory]
    [InlineData(375, 500, 256, 341)]
    [InlineData(500, 375, 341, 256)]
    [InlineData(333, 500, 256, 384)]
    [InlineData(256, 300, 256, 300)]
    [InlineData(7, 100, 256, 3657)]
    public void Resize_rounds_the_long_side_down_as_torchvision_does(int height, int width, int newHeight, int newWidth)
    {
        var resized = Apply(Pictures.Noise(height, width, 1), new Resize { Size = 256 });
        Assert.Equal((newHeight, newWidth), (resized.Height, resized.Width));
    }

    [Fact]
    public void SqueezeNets_preprocessing_can_be_stated()
    {
        var image = Pictures.Noise(300, 400);
        var result = Apply(
            image,
            new Resize { Size = 256 },
            new CenterCrop { Size = 227 },
            new ChannelOrder { Order = ColorOrder.Bgr },
            new Normalize { Mean = [104, 117, 123] });
        var resized = Resampler.Resize(image.Pixels, 300, 400, 3, 256, 341, Interpolation.Bilinear);
        var tensor = result.ToTensor();
        Assert.Equal([3, 227, 227], tensor.Shape);
        var values = (float[])tensor.Values;
        // torchvision: round((256 - 227) / 2) = 14, round((341 - 227) / 2) = 57.
        foreach (var (y, x) in new[] { (0, 0), (226, 226), (100, 3) })
        {
            for (var c = 0; c < 3; c++)
            {
                var level = resized[((((y + 14) * 341) + x + 57) * 3) + 2 - c];
                Assert.Equal(level - new float[] { 104, 117, 123 }[c], values[(c * 227 * 227) + (y * 227) + x]);
            }
        }
    }

    [Fact]
    public void ResNets_and_PoseNets_preprocessing_can_be_stated()
    {
        var image = Pictures.Noise(4, 5);
        float[] mean = [0.485f, 0.456f, 0.406f], std = [0.229f, 0.224f, 0.225f];
        var resnet = Values(Apply(image, new Scale { Divisor = 255 }, new Normalize { Mean = [0.485, 0.456, 0.406], Std = [0.229, 0.224, 0.225] }));
        var posenet = Values(Apply(image, new ValueRange { From = -1, To = 1 }));
        for (var c = 0; c < 3; c++)
        {
            for (var i = 0; i < 20; i++)
            {
                float level = image.Pixels[(i * 3) + c];
                Assert.Equal(((level / 255f) - mean[c]) / std[c], resnet[(c * 20) + i]);
                Assert.Equal((level / 127.5f) - 1f, posenet[(c * 20) + i]);
            }
        }
    }

    [Fact]
    public void Colour_and_value_steps_commute_with_channel_order()
    {
        var image = Pictures.Noise(6, 6);
        var early = Apply(image, new ChannelOrder { Order = ColorOrder.Bgr }, new Grayscale(), new Scale());
        var late = Apply(
            image,
            new Grayscale(),
            new Scale(),
            new ChannelOrder { Order = ColorOrder.Bgr },
            new ChannelOrder { Order = ColorOrder.Bgr });
        Assert.Equal(Values(early), Values(late));
        Assert.Equal(
            Values(image),
            Values(Apply(image, new ChannelOrder { Order = ColorOrder.Bgr }, new ChannelOrder { Order = ColorOrder.Rgb })));
    }

    [Fact]
    public void Colour_changes_agree_with_Pillow_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        var image = Pictures.Noise(64, 64);
        File.WriteAllBytes(Path.Combine(folder.Path, "in"), image.Pixels);
        PythonPeer.Run("PIL", """
            import sys, os
            from PIL import Image, ImageEnhance
            os.chdir(sys.argv[1])
            image = Image.frombytes('RGB', (64, 64), open('in', 'rb').read())
            def save(name, out): open(name, 'wb').write(out.tobytes())
            for f in ('0.0', '0.37', '1.0', '1.63'):
                save('b' + f, ImageEnhance.Brightness(image).enhance(float(f)))
                save('c' + f, ImageEnhance.Contrast(image).enhance(float(f)))
                save('s' + f, ImageEnhance.Color(image).enhance(float(f)))
            for shift in ('-0.5', '-0.13', '0.0', '0.21'):
                h, s, v = image.convert('HSV').split()
                h = h.point(lambda x: (x + int(float(shift) * 255)) % 256)
                save('h' + shift, Image.merge('HSV', (h, s, v)).convert('RGB'))
            save('luma', image.convert('L'))
            """, folder.Path);
        foreach (var f in new[] { "0.0", "0.37", "1.0", "1.63" })
        {
            var factor = float.Parse(f, System.Globalization.CultureInfo.InvariantCulture);
            Compare("b" + f, Colour.Brightness(image.Pixels, factor));
            Compare("c" + f, Colour.Contrast(image.Pixels, 3, factor));
            Compare("s" + f, Colour.Saturation(image.Pixels, factor));
        }

        foreach (var shift in new[] { "-0.5", "-0.13", "0.0", "0.21" })
            Compare(
                "h" + shift,
                Colour.Hue(image.Pixels, double.Parse(shift, System.Globalization.CultureInfo.InvariantCulture)));
        Compare("luma", Colour.Luma(image.Pixels));

        void Compare(string name, byte[] actual)
        {
            var (mean, most) = Pictures.Difference(File.ReadAllBytes(Path.Combine(folder.Path, name)), actual);
            Assert.True(most == 0, $"{name}: mean {mean}, at most {most}");
        }
    }

    [Fact]
    public void Center_crop_pads_what_is_too_small()
    {
        var image = new ImageField([1, 2, 3, 4, 5, 6], 2, 3, 1);
        Assert.Equal(
            "4x2x1: 0000010204050000",
            Pictures.Text(Apply(new ImageField([1, 2, 4, 5], 2, 2, 1), new CenterCrop { Height = 4, Width = 2 })));
        Assert.Equal(
            "3x5x1: " + "0001020300" + "0004050600" + "0000000000",
            Pictures.Text(Apply(image, new CenterCrop { Height = 3, Width = 5 })));
        Assert.Equal("1x1x1: 02", Pictures.Text(Apply(image, new CenterCrop { Size = 1 })));
    }

    [Fact]
    public void Four_channels_are_the_colours_and_their_luminance_after_all_changes_of_colours()
    {
        var grey = new ImageField([7, 9], 1, 2, 1);
        Assert.Equal("1x2x4: 0707070709090909", Pictures.Text(Apply(grey, new Channels { Count = 4 })));
        var colour = new ImageField([255, 0, 0, 10, 200, 30], 1, 2, 3);
        var luma = Apply(colour, new Channels { Count = 1 });
        var four = Apply(colour, new Channels { Count = 4 });
        Assert.Equal([255, 0, 0, luma.Pixels[0], 10, 200, 30, luma.Pixels[1]], four.Pixels);
        Assert.Equal([4, 1, 2], four.ToTensor().Shape);
        foreach (var late in new ImageTransform[] { new ColorJitter { Hue = 0.1 }, new Grayscale() })
            Assert.Contains("has to come before channels: 4", Assert.Throws<FrostlineException>(() => Apply(four, late)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot follow channels: 4", Assert.Throws<FrostlineException>(() => Apply(four, new Channels { Count = 3 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Flips_pads_and_channels()
    {
        var image = new ImageField([1, 2, 3, 4, 5, 6], 2, 3, 1);
        Assert.Equal("2x3x1: 030201060504", Pictures.Text(Apply(image, new Flip { Horizontal = 1 })));
        Assert.Equal("2x3x1: 040506010203", Pictures.Text(Apply(image, new Flip { Horizontal = 0, Vertical = 1 })));
        Assert.Equal(
            "4x5x1: 0909090909" + "0901020309" + "0904050609" + "0909090909",
            Pictures.Text(Apply(image, new Pad { Size = 1, Fill = 9 })));
        Assert.Equal(
            "4x5x1: 0504050605" + "0201020302" + "0504050605" + "0201020302",
            Pictures.Text(Apply(image, new Pad { Size = 1, Mode = PaddingMode.Reflect })));
        Assert.Equal("2x3x3: 010101020202030303040404050505060606", Pictures.Text(Apply(image, new Channels { Count = 3 })));
        Assert.Equal(Pictures.Text(image), Pictures.Text(Apply(image, new Channels { Count = 3 }, new Channels { Count = 1 })));
        Assert.Contains(
            "before scale",
            Assert.Throws<FrostlineException>(() => Apply(image, new Scale(), new Channels { Count = 3 })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_random_resized_crop_keeps_to_its_ranges()
    {
        var crop = new RandomResizedCrop { Size = 24, Scale = [0.2, 0.5], Ratio = [0.5, 2] };
        var random = Pictures.Random();
        HashSet<(int, int)> corners = [];
        for (var i = 0; i < 500; i++)
        {
            var (top, left, height, width) = crop.Draw(100, 140, random);
            Assert.True(top >= 0 && left >= 0 && top + height <= 100 && left + width <= 140);
            Assert.InRange(height * width / 14000.0, 0.19, 0.51);
            Assert.InRange((double)width / height, 0.48, 2.08);
            corners.Add((top, left));
        }

        Assert.True(corners.Count > 300);
        // A strip has no allowed part of that ratio: the middle is taken.
        Assert.Equal(
            (0, 495, 5, 10),
            new RandomResizedCrop { Size = 24, Ratio = [0.5, 2], Scale = [1, 1] }.Draw(5, 1000, random));
        Assert.Equal((24, 24), (Apply(Pictures.Noise(50, 60), crop).Height, Apply(Pictures.Noise(50, 60), crop).Width));
    }

    [Fact]
    public void Random_crop_and_erasing_keep_to_their_ranges()
    {
        var image = new ImageField([.. Enumerable.Repeat((byte)7, 32 * 32 * 3)], 32, 32, 3);
        HashSet<int> zeros = [];
        HashSet<int> erased = [];
        for (var seed = 0; seed < 100; seed++)
        {
            var cropped = new RandomCrop { Size = 32, Padding = 4 }.Apply(image, Pictures.Random(seed));
            Assert.Equal((32, 32), (cropped.Height, cropped.Width));
            zeros.Add(cropped.Pixels.Count(p => p == 0));
            var holed = new RandomErasing { Probability = 1, Fill = 200 }.Apply(image, Pictures.Random(seed));
            var share = holed.Pixels.Count(p => p == 200) / (32.0 * 32 * 3);
            Assert.InRange(share, 0.015, 0.36);
            erased.Add(holed.Pixels.Count(p => p == 200));
        }

        Assert.True(zeros.Count > 10 && erased.Count > 30);
        Assert.Same(image, new RandomErasing { Probability = 0 }.Apply(image, Pictures.Random()));
        Assert.True(new RandomErasing { Probability = 1 }.Apply(image, Pictures.Random(3)).Pixels.Distinct().Count() > 20);
        Assert.Contains(
            "random-crop needs 64 x 64",
            Assert.Throws<FrostlineException>(() => Apply(image, new RandomCrop { Size = 64 })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Probabilities_are_met()
    {
        var image = Pictures.Noise(2, 8, 3);
        var flipped = Enumerable.Range(0, 2000).Count(
            seed => !ReferenceEquals(image, new Flip { Horizontal = 0.3 }.Apply(image, Pictures.Random(seed))));
        Assert.InRange(flipped, 520, 680);
        var grey = Enumerable.Range(0, 2000).Count(
            seed => !ReferenceEquals(image, new Grayscale { Probability = 0.1 }.Apply(image, Pictures.Random(seed))));
        Assert.InRange(grey, 150, 250);
    }

    [Fact]
    public void Jitter_draws_all_it_changes_from_the_generator()
    {
        var image = Pictures.Noise(8, 8);
        var jitter = new ColorJitter { Brightness = 0.4, Contrast = 0.4, Saturation = 0.4, Hue = 0.1 };
        Assert.Equal(jitter.Apply(image, Pictures.Random(1)).Pixels, jitter.Apply(image, Pictures.Random(1)).Pixels);
        Assert.NotEqual(jitter.Apply(image, Pictures.Random(1)).Pixels, jitter.Apply(image, Pictures.Random(2)).Pixels);
        Assert.Equal(image.Pixels, new ColorJitter().Apply(image, Pictures.Random(1)).Pixels);
        Assert.Equal(8 * 8, jitter.Apply(Pictures.Noise(8, 8, 1), Pictures.Random(1)).Pixels.Length);
    }

    [Fact]
    public void Impossible_options_are_refused_with_their_name()
    {
        (ImageTransform Transform, string Text)[] wrong =
        [
            (new Resize(), "either size, or both height and width"),
            (new Resize { Size = 4, Height = 4, Width = 4 }, "either size"),
            (new CenterCrop { Height = 4 }, "either size"),
            (new CenterCrop { Size = 0 }, "Size: 0 pixels"),
            (new RandomResizedCrop { Size = 4, Scale = [0.5] }, "Scale"),
            (new RandomResizedCrop { Size = 4, Ratio = [2, 1] }, "Ratio"),
            (new RandomCrop { Size = 4, Padding = -1 }, "Padding"),
            (new Flip { Horizontal = 1.5 }, "Horizontal"),
            (new Pad { Size = 1, Fill = 256 }, "Fill"),
            (new RandomErasing { Scale = [0.5, 1.5] }, "Scale"),
            (new ColorJitter { Hue = 0.6 }, "Hue"),
            (new ColorJitter { Contrast = double.NaN }, "Contrast"),
            (new Grayscale { Probability = -1 }, "Probability"),
            (new Scale { Divisor = 0 }, "Divisor"),
            (new ValueRange { From = 1 }, "To"),
            (new Normalize { Std = [1, 0, 1] }, "Std"),
            (new Channels { Count = 2 }, "Count"),
            (new Normalize { Mean = [1, 2] }, "2 numbers as mean, but the image has 3 channels"),
        ];
        var image = Pictures.Noise(9, 9);
        foreach (var (transform, text) in wrong)
            Assert.Contains(
                text,
                Assert.Throws<FrostlineException>(() => Apply(image, transform)).Message,
                StringComparison.Ordinal);
        Assert.StartsWith(
            "a.png: ",
            Assert.Throws<FrostlineException>(
                () => new ChannelOrder().Apply(SampleOf(Pictures.Noise(2, 2, 1)), Pictures.Random())).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "no image",
            Assert.Throws<FrostlineException>(() => new Scale().Apply(new Sample { Source = "x" }, Pictures.Random())).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_chain_is_random_where_one_of_its_transforms_is()
    {
        Assert.False(new TransformChain([new Resize { Size = 4 }, new Scale(), new Grayscale()]).IsRandom);
        Assert.True(new TransformChain([new Resize { Size = 4 }, new Flip()]).IsRandom);
        Assert.True(new Grayscale { Probability = 0.5 }.IsRandom);
        var sample = SampleOf(Pictures.Noise(8, 8));
        new TransformChain([new Resize { Size = 4 }, new Scale()]).Apply(sample, Pictures.Random());
        Assert.Equal([3, 4, 4], sample.Fields["image"].ToTensor().Shape);
    }

    private static Sample SampleOf(ImageField image)
    {
        var sample = new Sample { Source = "a.png" };
        sample.Set("image", image);
        return sample;
    }

    private static ImageField Apply(ImageField image, params ImageTransform[] transforms) =>
        transforms.Aggregate(image, (i, t) => t.Apply(i, Pictures.Random()));

    private static float[] Values(ImageField image) => (float[])image.ToTensor().Values;
}
