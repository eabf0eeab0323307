namespace Frostline.Vision.Data;

/// <summary>Changes of colour on bytes, with Pillow's arithmetic (<c>ImageEnhance</c>, <c>convert</c>).</summary>
internal static class Colour
{
    /// <summary>Grey levels of RGB bytes: ITU-R 601-2 luma in 16-bit fixed point.</summary>
    public static byte[] Luma(byte[] rgb)
    {
        var grey = GC.AllocateUninitializedArray<byte>(rgb.Length / 3);
        for (var i = 0; i < grey.Length; i++) grey[i] = Luma(rgb[3 * i], rgb[(3 * i) + 1], rgb[(3 * i) + 2]);
        return grey;
    }

    /// <summary>RGB bytes of grey levels.</summary>
    public static byte[] Repeat(byte[] grey)
    {
        var rgb = GC.AllocateUninitializedArray<byte>(checked(grey.Length * 3));
        for (var i = 0; i < grey.Length; i++) rgb[3 * i] = rgb[(3 * i) + 1] = rgb[(3 * i) + 2] = grey[i];
        return rgb;
    }

    /// <summary>Blends with black: factor 0 is black, 1 the picture.</summary>
    public static byte[] Brightness(byte[] pixels, float factor) => Table(pixels, level => Blend(0, level, factor));

    /// <summary>Red, green, blue and luma of each RGB pixel.</summary>
    public static byte[] WithLuma(byte[] pixels)
    {
        var result = new byte[pixels.Length / 3 * 4];
        for (var (from, to) = (0, 0); from < pixels.Length; from += 3, to += 4)
        {
            pixels.AsSpan(from, 3).CopyTo(result.AsSpan(to));
            result[to + 3] = Luma(pixels[from], pixels[from + 1], pixels[from + 2]);
        }

        return result;
    }

    /// <summary>Refuses pictures with a luminance of their own, which colours would no longer fit.</summary>
    /// <exception cref="FrostlineException">The picture has four channels.</exception>
    public static void RequireNoLuminance(ImageField image, string transform)
    {
        if (image.Channels == 4) throw new FrostlineException($"{transform} has to come before channels: 4");
    }

    /// <summary>Blends with the mean grey level.</summary>
    public static byte[] Contrast(byte[] pixels, int channels, float factor)
    {
        long sum = 0;
        var count = pixels.Length / channels;
        for (var i = 0; i < pixels.Length; i += channels)
            sum += channels == 3 ? Luma(pixels[i], pixels[i + 1], pixels[i + 2]) : pixels[i];
        var mean = (byte)(((double)sum / count) + 0.5);
        return Table(pixels, level => Blend(mean, level, factor));
    }

    /// <summary>Blends with the picture in grey.</summary>
    public static byte[] Saturation(byte[] rgb, float factor)
    {
        var result = GC.AllocateUninitializedArray<byte>(rgb.Length);
        for (var i = 0; i < rgb.Length; i += 3)
        {
            var grey = Luma(rgb[i], rgb[i + 1], rgb[i + 2]);
            for (var c = 0; c < 3; c++) result[i + c] = Blend(grey, rgb[i + c], factor);
        }

        return result;
    }

    /// <summary>Turns the hue: shift in turns, -0.5 to 0.5; by way of 8-bit HSV.</summary>
    public static byte[] Hue(byte[] rgb, double shift)
    {
        var steps = unchecked((byte)(int)(shift * 255));
        var result = GC.AllocateUninitializedArray<byte>(rgb.Length);
        for (var i = 0; i < rgb.Length; i += 3)
        {
            var (h, s, v) = ToHsv(rgb[i], rgb[i + 1], rgb[i + 2]);
            (result[i], result[i + 1], result[i + 2]) = FromHsv(unchecked((byte)(h + steps)), s, v);
        }

        return result;
    }

    private static byte Luma(int r, int g, int b) => (byte)(((r * 19595) + (g * 38470) + (b * 7471) + 0x8000) >> 16);

    private static byte[] Table(byte[] pixels, Func<byte, byte> map)
    {
        Span<byte> table = stackalloc byte[256];
        for (var i = 0; i < 256; i++) table[i] = map((byte)i);
        var result = GC.AllocateUninitializedArray<byte>(pixels.Length);
        for (var i = 0; i < pixels.Length; i++) result[i] = table[pixels[i]];
        return result;
    }

    private static byte Blend(byte from, byte to, float factor) => (byte)Math.Clamp(from + (factor * (to - from)), 0f, 255f);

    private static (byte H, byte S, byte V) ToHsv(byte r, byte g, byte b)
    {
        var most = Math.Max(r, Math.Max(g, b));
        var least = Math.Min(r, Math.Min(g, b));
        if (most == least) return (0, 0, most);
        float range = most - least;
        float red = (most - r) / range, green = (most - g) / range, blue = (most - b) / range;
        var hue = r == most ? blue - green
            : g == most ? (float)(2.0 + red - blue)
            : (float)(4.0 + green - red);
        hue = (float)(((hue / 6.0) + 1.0) % 1.0);
        return ((byte)(hue * 255.0), (byte)(range / most * 255.0), most);
    }

    private static (byte R, byte G, byte B) FromHsv(byte h, byte s, byte v)
    {
        if (s == 0) return (v, v, v);
        var sector = (int)Math.Floor(h * 6.0 / 255.0);
        var f = (float)((h * 6.0 / 255.0) - sector);
        var fs = (float)(s / 255.0);
        var p = Rounded(v * (1.0 - fs));
        var q = Rounded(v * (1.0 - (fs * f)));
        var t = Rounded(v * (1.0 - (fs * (1.0 - f))));
        return (sector % 6) switch
        {
            0 => (v, t, p),
            1 => (q, v, p),
            2 => (p, v, t),
            3 => (p, q, v),
            4 => (t, p, v),
            _ => (v, p, q),
        };
    }

    private static byte Rounded(double value) => (byte)Math.Clamp(Math.Round(value, MidpointRounding.AwayFromZero), 0, 255);
}
