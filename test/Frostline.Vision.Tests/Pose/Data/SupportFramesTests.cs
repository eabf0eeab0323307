using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Which frames go with a key frame.</summary>
public sealed class SupportFramesTests
{
    [Theory]
    [InlineData(0, "0 0 0 1 2")]
    [InlineData(1, "1 1 0 2 3")]
    [InlineData(2, "2 0 1 3 4")]
    [InlineData(3, "3 1 2 4 3")]
    [InlineData(4, "4 2 3 4 4")]
    public void At_the_ends_the_key_frame_takes_the_place_of_what_is_not_there(int key, string frames) =>
        Assert.Equal(frames, string.Join(' ', new SupportFrames([-2, -1, 1, 2]).Of(key, number => number is >= 0 and < 5)));

    [Fact]
    public void A_gap_is_as_an_end() =>
        Assert.Equal([5, 3, 5, 6], new SupportFrames([-2, -1, 1]).Of(5, number => number != 4));

    [Fact]
    public void Windows_over_a_stream_are_what_the_numbers_say_and_hold_no_more_than_they_need() =>
        Gen.Select(Gen.Int[-4, 4].Where(offset => offset != 0).HashSet[0, 4], Gen.Int[0, 12]).Holds(
            (offsets, count) =>
            {
                var supports = new SupportFrames([.. offsets]);
                var taken = 0;
                var key = 0;
                foreach (var window in supports.Windows(Enumerable.Range(0, count).Select(number =>
                {
                    taken = number + 1;
                    return number;
                })))
                {
                    Assert.Equal(supports.Of(key, number => number >= 0 && number < count), window);
                    Assert.InRange(taken, key + 1, Math.Min(count, key + 1 + Math.Max(0, offsets.DefaultIfEmpty().Max())));
                    key++;
                }

                Assert.Equal(count, key);
            },
            samples: 300);

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(-1001, 1)]
    [InlineData(int.MinValue, 1)]
    public void Offsets_that_make_no_sense_are_refused(int first, int second) =>
        Assert.Throws<FrostlineException>(() => new SupportFrames([first, second]));
}
