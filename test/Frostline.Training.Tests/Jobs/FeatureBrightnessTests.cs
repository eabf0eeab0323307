using Frostline.Testing;
using Frostline.Training.Jobs;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class FeatureBrightnessTests
{
    [Fact]
    public void A_channel_is_shifted_within_its_own_range_and_cut_off_at_its_ends()
    {
        using var scope = NewDisposeScope();
        using var generator = manual_seed(1);
        var map = rand(3, 4, 5, 6);
        var changed = Applied(map, 0.5);
        for (var sample = 0; sample < 3; sample++)
        {
            for (var channel = 0; channel < 4; channel++)
            {
                var (before, after) = (Numbers(map[sample, channel]), Numbers(changed[sample, channel]));
                var (low, high) = (before.Min(), before.Max());
                var shift = after.Zip(before, (b, a) => b - a).MaxBy(Math.Abs);
                Assert.InRange(Math.Abs(shift), 1e-6, 0.5 * (high - low) + 1e-6);
                for (var i = 0; i < before.Length; i++) Assert.Equal(Math.Clamp(before[i] + shift, low, high), after[i], 5);
            }
        }
    }

    [Fact]
    public void A_vector_is_scaled_by_its_own_range_and_each_channel_has_its_own_shift()
    {
        using var scope = NewDisposeScope();
        using var generator = manual_seed(1);
        var vectors = rand(2, 50);
        var changed = Applied(vectors, 0.1);
        var shifts = Numbers(changed[0]).Zip(Numbers(vectors[0]), (b, a) => Math.Round(b - a, 5)).ToList();
        Assert.True(shifts.Distinct().Count() > 25);
        var range = Numbers(vectors[0]).Max() - Numbers(vectors[0]).Min();
        Assert.All(shifts, shift => Assert.InRange(Math.Abs(shift), 0, (0.1 * range) + 1e-5));
        Assert.Equal(Numbers(changed), Numbers(Applied(vectors.reshape(2, 50, 1, 1), 0.1)));
    }

    [Fact]
    public void What_is_constant_stays_and_equal_numbers_give_equal_results()
    {
        using var scope = NewDisposeScope();
        var constant = full([2, 3, 4, 4], 7f);
        Assert.True(Applied(constant, 1).allclose(constant));
        var map = rand(2, 3, 4, 4);
        Assert.Equal(Numbers(Applied(map, 0.3)), Numbers(Applied(map, 0.3)));
        Assert.NotEqual(Numbers(Applied(map, 0.3)), Numbers(Applied(map, 0.3, batch: 1)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.5)]
    public void The_strength_is_above_0_and_at_most_1(double strength) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FeatureBrightness(strength, 1));

    private static Tensor Applied(Tensor features, double strength, int batch = 0)
    {
        var named = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["f"] = features };
        new FeatureBrightness(strength, 5).Apply(named, 0, batch);
        return named["f"];
    }

    private static float[] Numbers(Tensor tensor) => tensor.contiguous().data<float>().ToArray();
}
