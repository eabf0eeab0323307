using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Values of checkpoints: statistics, comparison and conversion of more than one part.</summary>
public sealed class TensorValuesTests
{
    [Fact]
    public void Statistics_of_many_parts_are_those_of_the_whole_even_far_from_zero()
    {
        var random = new Random(3);
        var values = Enumerable.Range(0, 100_001).Select(_ => 1e9 + random.NextDouble()).ToArray();
        using var checkpoint = Open(new("a", TensorType.Float64, [values.Length]), MemoryMarshal.AsBytes<double>(values).ToArray());
        var statistics = ValueStatistics.Of(checkpoint, checkpoint.Find("a"));
        var mean = 1e9 + values.Average(v => v - 1e9);
        // A sum in float64 rounds in its sixteenth digit, and the mean is ten digits long before the point.
        Assert.Equal(mean, statistics.Mean!.Value, 1e-5);
        Assert.Equal(Math.Sqrt(values.Average(v => (v - mean) * (v - mean))), statistics.StandardDeviation!.Value, 1e-7);
        Assert.Equal((values.Min(), values.Max()), (statistics.Minimum, statistics.Maximum));
        Assert.Equal((100_001, 0, 0), (statistics.Count, statistics.NotNumbers, statistics.Infinities));
    }

    [Fact]
    public void Statistics_take_bounded_memory_whatever_the_size()
    {
        using var checkpoint = Open(new("a", TensorType.UInt8, [1 << 24]), new byte[1 << 24]);
        ValueStatistics.Of(checkpoint, checkpoint.Find("a"));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(0, ValueStatistics.Of(checkpoint, checkpoint.Find("a")).Mean);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Theory]
    [InlineData(TensorType.Int8, new byte[] { 0x80 }, -128)]
    [InlineData(TensorType.UInt8, new byte[] { 0xff }, 255)]
    [InlineData(TensorType.Bool, new byte[] { 1 }, 1)]
    [InlineData(TensorType.Int16, new byte[] { 0xfe, 0xff }, -2)]
    [InlineData(TensorType.UInt16, new byte[] { 0xfe, 0xff }, 65534)]
    [InlineData(TensorType.Int32, new byte[] { 0xff, 0xff, 0xff, 0xff }, -1)]
    [InlineData(TensorType.UInt32, new byte[] { 0xff, 0xff, 0xff, 0xff }, 4294967295)]
    [InlineData(TensorType.UInt64, new byte[] { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 9223372036854775808.0)]
    [InlineData(TensorType.Float8E5M2, new byte[] { 0x7b }, 57344)]
    [InlineData(TensorType.Float8E5M2, new byte[] { 0xfc }, double.NegativeInfinity)]
    [InlineData(TensorType.Float8E5M2, new byte[] { 0x01 }, 1.0 / 65536)]
    [InlineData(TensorType.Float8E4M3, new byte[] { 0x7e }, 448)]
    [InlineData(TensorType.Float8E4M3, new byte[] { 0xff }, double.NaN)]
    [InlineData(TensorType.Float8E4M3, new byte[] { 0x81 }, -1.0 / 512)]
    [InlineData(TensorType.Float8E4M3, new byte[] { 0x38 }, 1)]
    public void Every_type_has_numbers(TensorType type, byte[] bytes, double expected)
    {
        var value = new double[1];
        Elements.ToDouble(bytes, type, value);
        Assert.Equal(expected, value[0]);
    }

    [Fact]
    public void Tensors_of_different_types_are_compared_by_value_and_zeros_by_sign()
    {
        using var single = Open(new("a", TensorType.Float32, [2]), MemoryMarshal.AsBytes<float>([0, 0.1f]).ToArray());
        using var negative = Open(new("a", TensorType.Float32, [2]), MemoryMarshal.AsBytes<float>([-0.0f, 0.1f]).ToArray());
        using var wide = Open(new("a", TensorType.Float64, [2]), MemoryMarshal.AsBytes<double>([0, 0.1]).ToArray());
        var signs = Assert.Single(CheckpointDifference.Of(single, negative).Tensors);
        Assert.Equal((0.0, false), (signs.MaximumDifference, signs.IsEqual));
        var types = Assert.Single(CheckpointDifference.Of(single, wide).Tensors);
        Assert.Equal((Math.Abs(0.1 - 0.1f), false), (types.MaximumDifference, types.IsEqual));
        Assert.True(CheckpointDifference.Of(single, single).IsEqual);
    }

    [Fact]
    public void A_cast_of_many_parts_equals_the_cast_of_each_value()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(4);
        var values = Enumerable.Range(0, 20_000).Select(_ => (random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-200, 200))).ToArray();
        using var checkpoint = Open(new("a", TensorType.Float64, [values.Length]), MemoryMarshal.AsBytes<double>(values).ToArray());
        var report = CheckpointConverter.Convert(checkpoint, folder.PathOf("a.PTH"), TensorType.Float32);
        using var written = Checkpoint.Open(folder.PathOf("a.PTH"));
        Assert.Equal(values.Select(v => (float)v), MemoryMarshal.Cast<byte, float>(written.Read("a")).ToArray());
        var tensor = Assert.Single(report.Tensors);
        Assert.Equal(values.Count(v => float.IsInfinity((float)v)), tensor.Overflowed);
        Assert.Equal(values.Count(v => (float)v != v && float.IsFinite((float)v)), tensor.Rounded);
        Assert.True(tensor is { Overflowed: > 1000, Rounded: > 1000 });
        Assert.Throws<ArgumentException>(() => CheckpointConverter.Convert(checkpoint, folder.PathOf("b.pth"), TensorType.Int8));
    }

    private static Checkpoint Open(TensorInfo info, byte[] bytes)
    {
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [TensorSource.From(info, bytes)]);
        return Checkpoint.Open(stream.ToArray(), "memory");
    }
}
