using CsCheck;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

public sealed class ElementsTests
{
    private static byte[] Store(double value, TensorType type)
    {
        var bytes = new byte[type.Size()];
        Elements.FromDouble([value], type, bytes);
        return bytes;
    }

    private static double Read(byte[] bytes, TensorType type)
    {
        var values = new double[1];
        Elements.ToDouble(bytes, type, values);
        return values[0];
    }

    [Theory]
    [InlineData(TensorType.Float64)]
    [InlineData(TensorType.Float32)]
    [InlineData(TensorType.Float16)]
    [InlineData(TensorType.BFloat16)]
    public void Values_that_are_not_finite_are_counted_wherever_they_stand(TensorType type) =>
        Gen.OneOf(Gen.Double, Gen.OneOf(double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0, -0.0, double.Epsilon)).Array[0, 150].Holds(
            values =>
            {
                var bytes = new byte[values.Length * type.Size()];
                Elements.FromDouble(values, type, bytes);
                var stored = new double[values.Length];
                Elements.ToDouble(bytes, type, stored);
                Assert.Equal(stored.Count(value => !double.IsFinite(value)), Elements.CountNotFinite(bytes, type));
            },
            samples: 300);

    [Fact]
    public void BFloat16_rounds_to_the_nearest_once() => Gen.Double[-1e3, 1e3].Holds(value =>
    {
        var rounded = Read(Store(value, TensorType.BFloat16), TensorType.BFloat16);
        // Half a unit in the last of 8 bits.
        var exponent = Math.Max(Math.ILogB(value), -126);
        Assert.True(Math.Abs(rounded - value) <= Math.ScaleB(0.5, exponent - 7), $"{value:R} became {rounded:R}");
    }, samples: 1000);

    [Theory]
    [InlineData(1.00390625, 1.0)]                    // a tie goes to even
    [InlineData(1.01171875, 1.015625)]
    [InlineData(1.003906250000001, 1.0078125)]       // just above a tie; float32 would round it onto the tie first
    [InlineData(-1.003906250000001, -1.0078125)]
    [InlineData(1e300, double.PositiveInfinity)]
    [InlineData(-1e39, double.NegativeInfinity)]
    [InlineData(0.0, 0.0)]
    [InlineData(double.NaN, double.NaN)]
    [InlineData(1e-60, 0.0)]
    public void BFloat16_in_the_corners(double value, double expected) =>
        Assert.Equal(expected, Read(Store(value, TensorType.BFloat16), TensorType.BFloat16));

    [Fact]
    public void Wider_types_hold_narrower_ones_exactly()
    {
        foreach (var (narrow, wide) in ((TensorType, TensorType)[])[(TensorType.Float32, TensorType.Float64),
            (TensorType.Float16, TensorType.Float32), (TensorType.BFloat16, TensorType.Float32)])
        {
            var source = new byte[10_000 * narrow.Size()];
            for (var i = 0; i < 10_000; i++) Store((i - 5000) / 64.0, narrow).CopyTo(source, i * narrow.Size());
            var widened = new byte[10_000 * wide.Size()];
            Elements.Cast(source, narrow, widened, wide);
            var back = new byte[source.Length];
            Elements.Cast(widened, wide, back, narrow);
            Assert.Equal(source, back);
            Assert.Equal(Read(source[^narrow.Size()..], narrow), Read(widened[^wide.Size()..], wide));
        }
    }

    [Fact]
    public void Integers_are_exact_or_refused()
    {
        Assert.Equal(BitConverter.GetBytes(-3L), Store(-3, TensorType.Int64));
        Assert.Equal([1], Store(1, TensorType.Bool));
        Assert.Equal([255, 255], Store(65535, TensorType.UInt16));
        Assert.Throws<ArgumentException>(() => Store(0.5, TensorType.Int64));
        Assert.Throws<ArgumentException>(() => Store(-1, TensorType.UInt8));
        Assert.Throws<ArgumentException>(() => Store(128, TensorType.Int8));
        Assert.Throws<ArgumentException>(() => Store(1, TensorType.Float8E4M3));
    }

    [Fact]
    public void Statistics_do_not_depend_on_pieces()
    {
        var random = new CounterRandom(3, "statistics");
        var values = Enumerable.Range(0, 10_000).Select(_ => 100 + random.NextNormal()).ToArray();
        var whole = new Moments();
        whole.Add(values);
        var pieces = new Moments();
        for (var i = 0; i < values.Length; i += 77)
        {
            pieces.Add(values.AsSpan(i, Math.Min(77, values.Length - i)));
            pieces.Add([double.NaN, double.NegativeInfinity]);
        }

        Assert.Equal(whole.Mean!.Value, pieces.Mean!.Value, 1e-12);
        Assert.Equal(whole.Deviation!.Value, pieces.Deviation!.Value, 1e-12);
        Assert.Equal((values.Min(), values.Max()), (pieces.Minimum, pieces.Maximum));
        Assert.Equal((10_000, 130, 130), (pieces.Finite, pieces.NotNumbers, pieces.Infinities));
        Assert.Null(new Moments().Mean);
        Assert.True(double.IsNaN(TensorStatistics.Of(new Moments()).Maximum));
    }
}
