using Frostline.Optimization;
using Xunit;

namespace Frostline.Tests.Optimization;

public sealed class LearningRateScheduleTests
{
    private static readonly ScheduleState Start = new();

    [Fact]
    public void ConstantIsOneAfterALinearWarmUp()
    {
        var schedule = new ConstantSchedule { WarmUp = 0.5 };
        Assert.Equal([0.2, 0.4, 0.6, 0.8, 1.0, 1.0], Factors(schedule, stepsPerEpoch: 10, epochs: 2).Take(6), Close);
    }

    [Fact]
    public void StepFallsEverySoManyEpochsOrAtGivenOnes()
    {
        Assert.Equal([1, 1, 0.1, 0.1, 0.01], Factors(new StepSchedule { Every = 2 }, 1, 5), Close);
        Assert.Equal([1, 0.5, 0.5, 0.25, 0.25], Factors(new StepSchedule { At = [1, 3], Factor = 0.5 }, 1, 5), Close);
    }

    [Fact]
    public void CosineRisesThenFallsToItsMinimum()
    {
        var factors = Factors(new CosineSchedule { WarmUp = 1, Minimum = 0.1 }, stepsPerEpoch: 4, epochs: 5).ToList();
        Assert.Equal([0.25, 0.5, 0.75, 1.0], factors.Take(4), Close);
        for (var t = 0; t < 16; t++) Assert.Equal(0.1 + (0.9 * 0.5 * (1 + Math.Cos(Math.PI * t / 16))), factors[4 + t], 12);
    }

    [Fact]
    public void CosineMayEndBeforeTheTraining()
    {
        var schedule = new CosineSchedule { Until = 1.5, Minimum = 0.2 };
        double At(long step) => schedule.FactorAt(new SchedulePosition(step, 4, 5), Start);
        Assert.Equal([1, 0.6, 0.2, 0.2], new long[] { 0, 3, 6, 19 }.Select(At), Close);
        Assert.Contains("until 0", Assert.Throws<FrostlineException>(() => (schedule with { Until = 0 }).Validate()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PlateauFallsAfterPatienceAndWaitsForTheCooldown()
    {
        var schedule = new PlateauSchedule { Factor = 0.5, Patience = 1, Cooldown = 2, Minimum = 0.3 };
        var state = Start;
        var factors = new List<double>();
        foreach (var loss in new[] { 1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1 })
        {
            state = schedule.AfterEpoch(state, loss, higherIsBetter: false);
            factors.Add(schedule.FactorAt(new SchedulePosition(0, 1, 10), state));
        }

        // Fall at the second bad epoch; two epochs of cooldown; then again the second bad one, down to the minimum.
        Assert.Equal([1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3], factors, Close);
        Assert.Equal(0.1, state.Best);
    }

    [Fact]
    public void PlateauFollowsTheMetricsDirectionAndIgnoresNaN()
    {
        var schedule = new PlateauSchedule { Patience = 0 };
        var state = schedule.AfterEpoch(Start, 0.5, higherIsBetter: true);
        Assert.Equal(1, schedule.AfterEpoch(state, 0.6, higherIsBetter: true).Factor);
        Assert.Equal(0.1, schedule.AfterEpoch(state, 0.4, higherIsBetter: true).Factor);
        Assert.Equal(0.1, schedule.AfterEpoch(state, double.NaN, higherIsBetter: true).Factor);
        Assert.Equal(state, schedule.AfterEpoch(state, null, higherIsBetter: true));
    }

    [Fact]
    public void NumbersOutOfRangeAreNamed()
    {
        Assert.Contains("warm-up -1", Assert.Throws<FrostlineException>(() => new CosineSchedule { WarmUp = -1 }.Validate()).Message, StringComparison.Ordinal);
        Assert.Contains("factor 2", Assert.Throws<FrostlineException>(() => new StepSchedule { Factor = 2 }.Validate()).Message, StringComparison.Ordinal);
        Assert.Contains("patience -1", Assert.Throws<FrostlineException>(() => new PlateauSchedule { Patience = -1 }.Validate()).Message, StringComparison.Ordinal);
    }

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-12;

    private static IEnumerable<double> Factors(LearningRateSchedule schedule, int stepsPerEpoch, int epochs) =>
        Enumerable.Range(0, stepsPerEpoch * epochs).Select(step => schedule.FactorAt(new SchedulePosition(step, stepsPerEpoch, epochs), Start));
}
