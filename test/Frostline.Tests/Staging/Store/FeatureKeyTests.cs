using CsCheck;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

public sealed class FeatureKeyTests
{
    [Fact]
    public void Every_part_counts()
    {
        var keys = new[]
        {
            FeatureKey.Of(1, "a"), FeatureKey.Of(2, "a"), FeatureKey.Of(1, "b"), FeatureKey.Of(1, "a", variant: 1),
            FeatureKey.Of(1, "a", row: 1), FeatureKey.Of(1, "a", variant: 1, row: 1),
        };
        Assert.Distinct(keys);
        Assert.Equal(keys[5], FeatureKey.Of(1, "a", 1, 1));
    }

    [Fact]
    public void Parts_of_different_kinds_differ()
    {
        Assert.Distinct(
        [
            new FeatureKeyBuilder().Build(),
            new FeatureKeyBuilder().Add("").Build(),
            new FeatureKeyBuilder().Add(""u8).Build(),
            new FeatureKeyBuilder().Add("12345678").Build(),
            new FeatureKeyBuilder().Add("12345678"u8).Build(),
            new FeatureKeyBuilder().Add(0x3837363534333231).Build(),
            new FeatureKeyBuilder().AddHash(1).Build(),
            new FeatureKeyBuilder().Add(1).Build(),
        ]);
    }

    [Fact]
    public void No_two_lists_of_parts_run_together()
    {
        // The same letters, cut in two ways.
        Gen.Select(Gen.String[Gen.Char['a', 'b'], 0, 6], Gen.Int[0, 6], Gen.Int[0, 6]).Holds(
            (letters, first, second) =>
            {
                var (i, j) = (Math.Min(first, letters.Length), Math.Min(second, letters.Length));
                var one = new FeatureKeyBuilder().Add(letters[..i]).Add(letters[i..]).Build();
                var other = new FeatureKeyBuilder().Add(letters[..j]).Add(letters[j..]).Build();
                Assert.Equal(i == j, one == other);
            },
            samples: 300);
    }

    [Fact]
    public void A_part_that_holds_the_encoding_of_others_is_not_them()
    {
        var two = new FeatureKeyBuilder().Add("a"u8).Add("b"u8).Build();
        // Kind, length and content of the second part, written into the first one.
        byte[] forged = [(byte)'a', 1, 1, 0, 0, 0, 0, 0, 0, 0, (byte)'b'];
        Assert.NotEqual(two, new FeatureKeyBuilder().Add(forged).Build());
    }

    [Fact]
    public void A_stream_has_the_hash_of_its_bytes()
    {
        using var stream = new MemoryStream([1, 2, 3]);
        Assert.Equal(FeatureKey.HashOf([1, 2, 3]), FeatureKey.HashOf(stream));
        Assert.Equal("0000000000000000000000000000002a", new FeatureKey(42).ToString());
    }
}
