namespace Frostline.Vision.Data;

/// <summary>Cutting, padding and mirroring of pictures.</summary>
internal static class Geometry
{
    /// <summary>A part of a picture.</summary>
    public static ImageField Crop(ImageField image, int top, int left, int height, int width)
    {
        if (top == 0 && left == 0 && height == image.Height && width == image.Width) return image;
        var channels = image.Channels;
        var pixels = GC.AllocateUninitializedArray<byte>(height * width * channels);
        for (var y = 0; y < height; y++)
            image.Pixels.AsSpan((((top + y) * image.Width) + left) * channels, width * channels)
                .CopyTo(pixels.AsSpan(y * width * channels));
        return image.WithPicture(pixels, height, width);
    }

    /// <summary>Resamples to an exact size.</summary>
    public static ImageField Resize(ImageField image, int height, int width, Interpolation interpolation) =>
        image.WithPicture(
            Resampler.Resize(image.Pixels, image.Height, image.Width, image.Channels, height, width, interpolation),
            height,
            width);

    /// <summary>A picture with borders of one grey level, or mirrored at its edges without repeating these.</summary>
    public static ImageField Pad(ImageField image, int top, int left, int bottom, int right, byte? fill)
    {
        if ((top | left | bottom | right) == 0) return image;
        int channels = image.Channels, height = image.Height + top + bottom, width = image.Width + left + right;
        var pixels = GC.AllocateUninitializedArray<byte>(checked(height * width * channels));
        if (fill is { } level)
        {
            pixels.AsSpan().Fill(level);
            for (var y = 0; y < image.Height; y++)
                image.Pixels.AsSpan(y * image.Width * channels, image.Width * channels).CopyTo(
                    pixels.AsSpan((((top + y) * width) + left) * channels));
            return image.WithPicture(pixels, height, width);
        }

        for (var y = 0; y < height; y++)
        {
            var row = Mirrored(y - top, image.Height) * image.Width;
            for (var x = 0; x < width; x++)
                image.Pixels.AsSpan((row + Mirrored(x - left, image.Width)) * channels, channels)
                    .CopyTo(pixels.AsSpan(((y * width) + x) * channels));
        }

        return image.WithPicture(pixels, height, width);
    }

    /// <summary>The picture seen in a mirror beside it.</summary>
    public static ImageField FlipHorizontally(ImageField image)
    {
        var channels = image.Channels;
        var pixels = GC.AllocateUninitializedArray<byte>(image.Pixels.Length);
        for (var y = 0; y < image.Height; y++)
        {
            var from = image.Pixels.AsSpan(y * image.Width * channels, image.Width * channels);
            var to = pixels.AsSpan(y * image.Width * channels, image.Width * channels);
            for (var x = 0; x < image.Width; x++)
                from.Slice(x * channels, channels).CopyTo(to[((image.Width - 1 - x) * channels)..]);
        }

        return image.WithPicture(pixels, image.Height, image.Width);
    }

    /// <summary>The picture upside down.</summary>
    public static ImageField FlipVertically(ImageField image)
    {
        var row = image.Width * image.Channels;
        var pixels = GC.AllocateUninitializedArray<byte>(image.Pixels.Length);
        for (var y = 0; y < image.Height; y++)
            image.Pixels.AsSpan(y * row, row).CopyTo(pixels.AsSpan((image.Height - 1 - y) * row));
        return image.WithPicture(pixels, image.Height, image.Width);
    }

    private static int Mirrored(int position, int size)
    {
        if (size == 1) return 0;
        var period = 2 * (size - 1);
        position = ((position % period) + period) % period;
        return position < size ? position : period - position;
    }
}
