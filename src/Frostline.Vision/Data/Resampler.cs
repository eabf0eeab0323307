using System.Numerics;

namespace Frostline.Vision.Data;

/// <summary>How a picture is resampled.</summary>
public enum Interpolation
{
    /// <summary>Linear, antialiased when shrinking: the triangle filter, widened by the shrink factor.</summary>
    Bilinear,

    /// <summary>Cubic with a = -0.5 (Keys, 1981), antialiased when shrinking.</summary>
    Bicubic,

    /// <summary>The pixel under the output pixel's centre; no antialiasing.</summary>
    Nearest,
}

/// <summary>
/// Separable resampling as Pillow does it (its <c>Resample.c</c>): filter widened by the shrink factor, weights normalised at the
/// borders, weights rounded to 22 fractional bits, horizontal pass first, each pass rounded to bytes. libvips' resize is close to
/// it only when shrinking, and pretrained networks were trained on Pillow's results.
/// </summary>
internal static class Resampler
{
    private const int FractionBits = 22;
    private const int Half = 1 << (FractionBits - 1);

    /// <summary>Resamples bytes [height, width, channels] to [newHeight, newWidth, channels].</summary>
    public static byte[] Resize(
        byte[] pixels, int height, int width, int channels, int newHeight, int newWidth, Interpolation interpolation)
    {
        if (newHeight == height && newWidth == width) return pixels;
        if (interpolation == Interpolation.Nearest) return Nearest(pixels, height, width, channels, newHeight, newWidth);
        if (newWidth != width)
        {
            pixels = Horizontal(pixels, height, width, channels, newWidth, Taps.Of(width, newWidth, interpolation));
            width = newWidth;
        }

        return newHeight == height
            ? pixels
            : Vertical(pixels, width * channels, newHeight, Taps.Of(height, newHeight, interpolation));
    }

    private static byte[] Horizontal(byte[] pixels, int height, int width, int channels, int newWidth, Taps taps)
    {
        var result = GC.AllocateUninitializedArray<byte>(checked(height * newWidth * channels));
        for (var y = 0; y < height; y++)
        {
            var input = pixels.AsSpan(y * width * channels, width * channels);
            var output = result.AsSpan(y * newWidth * channels, newWidth * channels);
            for (var x = 0; x < newWidth; x++)
            {
                var weights = taps.WeightsOf(x);
                var from = input[(taps.First[x] * channels)..];
                if (channels == 3)
                {
                    int r = Half, g = Half, b = Half;
                    for (int i = 0, p = 0; i < weights.Length; i++, p += 3)
                    {
                        r += from[p] * weights[i];
                        g += from[p + 1] * weights[i];
                        b += from[p + 2] * weights[i];
                    }

                    output[3 * x] = ToByte(r);
                    output[(3 * x) + 1] = ToByte(g);
                    output[(3 * x) + 2] = ToByte(b);
                }
                else
                {
                    var sum = Half;
                    for (var i = 0; i < weights.Length; i++) sum += from[i] * weights[i];
                    output[x] = ToByte(sum);
                }
            }
        }

        return result;
    }

    private static byte[] Vertical(byte[] pixels, int rowLength, int newHeight, Taps taps)
    {
        var result = GC.AllocateUninitializedArray<byte>(checked(newHeight * rowLength));
        var sums = new int[rowLength];
        for (var y = 0; y < newHeight; y++)
        {
            Array.Fill(sums, Half);
            var weights = taps.WeightsOf(y);
            for (var i = 0; i < weights.Length; i++)
                AddScaled(sums, pixels.AsSpan((taps.First[y] + i) * rowLength, rowLength), weights[i]);
            var output = result.AsSpan(y * rowLength, rowLength);
            for (var x = 0; x < output.Length; x++) output[x] = ToByte(sums[x]);
        }

        return result;
    }

    private static void AddScaled(Span<int> sums, ReadOnlySpan<byte> row, int weight)
    {
        var x = 0;
        for (; x <= row.Length - Vector<byte>.Count; x += Vector<byte>.Count)
        {
            Vector.Widen(new Vector<byte>(row[x..]), out var low, out var high);
            Vector.Widen(low, out var a, out var b);
            Vector.Widen(high, out var c, out var d);
            var to = sums[x..];
            Add(to, a, weight);
            Add(to[Vector<int>.Count..], b, weight);
            Add(to[(2 * Vector<int>.Count)..], c, weight);
            Add(to[(3 * Vector<int>.Count)..], d, weight);
        }

        for (; x < row.Length; x++) sums[x] += row[x] * weight;

        static void Add(Span<int> to, Vector<uint> values, int weight) =>
            (new Vector<int>(to) + (Vector.AsVectorInt32(values) * weight)).CopyTo(to);
    }

    private static byte ToByte(int sum) => (byte)Math.Clamp(sum >> FractionBits, 0, 255);

    private static byte[] Nearest(byte[] pixels, int height, int width, int channels, int newHeight, int newWidth)
    {
        var result = GC.AllocateUninitializedArray<byte>(checked(newHeight * newWidth * channels));
        int[] rows = Centres(height, newHeight), columns = Centres(width, newWidth);
        for (var y = 0; y < newHeight; y++)
        {
            for (var x = 0; x < newWidth; x++)
            {
                var from = (rows[y] * width) + columns[x];
                pixels.AsSpan(from * channels, channels).CopyTo(result.AsSpan(((y * newWidth) + x) * channels));
            }
        }

        return result;
    }

    private static int[] Centres(int size, int newSize)
    {
        var scale = (double)size / newSize;
        var centre = scale * 0.5;
        var centres = new int[newSize];
        // Pillow adds up the scale instead of multiplying; on the border between two pixels that decides.
        for (var i = 0; i < newSize; i++, centre += scale) centres[i] = Math.Min((int)centre, size - 1);
        return centres;
    }

    /// <summary>For each output position, the first input position and the weights from there on.</summary>
    private sealed class Taps(int[] first, int[] offsets, int[] weights)
    {
        public int[] First => first;

        public ReadOnlySpan<int> WeightsOf(int position) =>
            weights.AsSpan(offsets[position], offsets[position + 1] - offsets[position]);

        public static Taps Of(int size, int newSize, Interpolation interpolation)
        {
            Func<double, double> filter = interpolation == Interpolation.Bicubic ? Cubic : Triangle;
            var scale = (double)size / newSize;
            var stretch = Math.Max(scale, 1.0);
            var support = (interpolation == Interpolation.Bicubic ? 2.0 : 1.0) * stretch;
            var first = new int[newSize];
            var offsets = new int[newSize + 1];
            List<int> weights = [];
            List<double> exact = [];
            for (var i = 0; i < newSize; i++)
            {
                var centre = (i + 0.5) * scale;
                first[i] = Math.Max((int)(centre - support + 0.5), 0);
                var end = Math.Min((int)(centre + support + 0.5), size);
                exact.Clear();
                for (var x = first[i]; x < end; x++) exact.Add(filter((x - centre + 0.5) * (1.0 / stretch)));
                var sum = exact.Sum();
                foreach (var w in exact)
                {
                    var normalised = sum == 0 ? w : w / sum;
                    weights.Add((int)((normalised * (1 << FractionBits)) + (normalised < 0 ? -0.5 : 0.5)));
                }

                offsets[i + 1] = weights.Count;
            }

            return new Taps(first, offsets, [.. weights]);
        }

        private static double Triangle(double x) => Math.Max(1.0 - Math.Abs(x), 0.0);

        private static double Cubic(double x)
        {
            const double a = -0.5;
            x = Math.Abs(x);
            if (x < 1.0) return (((((a + 2.0) * x) - (a + 3.0)) * x) * x) + 1;
            return x < 2.0 ? ((((((x - 5) * x) + 8) * x) - 4) * a) : 0.0;
        }
    }
}
