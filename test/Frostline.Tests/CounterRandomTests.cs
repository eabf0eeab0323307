using Xunit;

namespace Frostline.Tests;

public sealed class CounterRandomTests
{
    [Theory]
    // The known answers of the authors' own distribution (Random123, kat_vectors, philox4x32 with 10 rounds).
    [InlineData(0UL, 0UL, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(ulong.MaxValue, ulong.MaxValue, uint.MaxValue, uint.MaxValue, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x85a308d3243f6a88UL, 0x0370734413198a2eUL, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void A_block_is_that_of_Philox(ulong counter, ulong stream, uint key0, uint key1, uint a, uint b, uint c, uint d)
    {
        Span<uint> block = stackalloc uint[4];
        CounterRandom.Block(counter, stream, key0, key1, block);
        Assert.Equal([a, b, c, d], block.ToArray());
    }

    [Fact]
    public void Numbers_come_from_the_blocks_of_seed_and_name()
    {
        var random = new CounterRandom(seed: 5, name: "");
        // The hash of an empty name is FNV's offset basis.
        var expected = new uint[8];
        CounterRandom.Block(0, 0xcbf29ce484222325, 5, 0, expected);
        CounterRandom.Block(1, 0xcbf29ce484222325, 5, 0, expected.AsSpan(4));
        Assert.All(expected, value => Assert.Equal(value, random.NextUInt32()));
    }

    [Fact]
    public void What_a_name_draws_depends_on_nothing_else()
    {
        string[] names = ["conv1.weight", "fc.bias", "姿态"];
        var alone = names.ToDictionary(name => name, name => Draw(new CounterRandom(7, name)));
        var together = names.Reverse().ToDictionary(name => name, name => new CounterRandom(7, name));
        for (var i = 0; i < 10; i++)
            foreach (var name in names) Assert.Equal(alone[name][i], together[name].NextDouble());

        Assert.NotEqual(alone[names[0]], alone[names[1]]);
        Assert.NotEqual(alone[names[0]], Draw(new CounterRandom(8, names[0])));
        Assert.NotEqual(alone[names[0]], Draw(new CounterRandom(-7, names[0])));
    }

    [Fact]
    public void Doubles_are_uniform()
    {
        var random = new CounterRandom(1, "uniform");
        var counts = new int[100];
        for (var i = 0; i < 200_000; i++)
        {
            var value = random.NextDouble();
            Assert.InRange(value, 0, Math.BitDecrement(1.0));
            counts[(int)(value * 100)]++;
        }

        // Chi-square with 99 degrees of freedom: 149 is the 0.1 % point.
        Assert.True(ChiSquare(counts, 200_000) < 149);
        Assert.InRange(new CounterRandom(1, "x").NextDouble(-3, -2), -3, -2);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    [InlineData(3 << 29)]
    [InlineData(int.MaxValue)]
    public void Integers_are_unbiased(int bound)
    {
        // A plain remainder by 3 * 2^29 would give the lowest third half as much again as the highest.
        var random = new CounterRandom(2, "integers");
        var bins = Math.Min(bound, 7);
        var counts = new int[bins];
        for (var i = 0; i < 70_000; i++)
        {
            var value = random.NextInt32(bound);
            Assert.InRange(value, 0, bound - 1);
            counts[(int)((long)value * bins / bound)]++;
        }

        var expected = Enumerable.Range(0, bins).Select(b => Width(b, bins, bound) / bound * 70_000).ToArray();
        Assert.True(counts.Zip(expected, (c, e) => (c - e) * (c - e) / e).Sum() < 22.5);
    }

    [Fact]
    public void An_empty_range_is_an_error()
    {
        var random = new CounterRandom(0, "x");
        Assert.Throws<ArgumentOutOfRangeException>(() => random.NextInt32(0));
    }

    [Fact]
    public void Normal_numbers_have_the_moments_of_the_distribution()
    {
        var random = new CounterRandom(3, "normal");
        var values = Enumerable.Range(0, 100_000).Select(_ => random.NextNormal()).ToArray();
        Assert.Equal(0, values.Average(), 0.015);
        Assert.Equal(1, values.Average(v => v * v), 0.02);
        Assert.Equal(0, values.Average(v => v * v * v), 0.05);
        Assert.Equal(3, values.Average(v => v * v * v * v), 0.15);
        Assert.Equal(0.6827, values.Count(v => Math.Abs(v) < 1) / 100_000.0, 0.006);
    }

    [Fact]
    public void Shuffling_gives_every_order_equally_often()
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < 24_000; i++)
        {
            char[] items = ['a', 'b', 'c', 'd'];
            new CounterRandom(i, "shuffle").Shuffle<char>(items);
            var order = new string(items);
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }

        Assert.Equal(24, counts.Count);
        // 23 degrees of freedom: 49.7 is the 0.1 % point.
        Assert.True(ChiSquare([.. counts.Values], 24_000) < 49.7);
    }

    private static double[] Draw(CounterRandom random) => [.. Enumerable.Range(0, 10).Select(_ => random.NextDouble())];

    private static double ChiSquare(int[] counts, int total)
    {
        var expected = (double)total / counts.Length;
        return counts.Sum(count => (count - expected) * (count - expected) / expected);
    }

    // How many of the values below the bound fall into one bin.
    private static double Width(long bin, long bins, long bound) => ((((bin + 1) * bound) + bins - 1) / bins) - (((bin * bound) + bins - 1) / bins);
}
