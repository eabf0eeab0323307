namespace Frostline.Optimization;

/// <summary>Where in a training a step is.</summary>
/// <param name="Step">The number of optimizer steps done before it, from 0.</param>
/// <param name="StepsPerEpoch">How many steps an epoch has, at least 1.</param>
/// <param name="Epochs">How many epochs the training has, at least 1.</param>
public readonly record struct SchedulePosition(long Step, long StepsPerEpoch, int Epochs)
{
    /// <summary>The epoch, from 0.</summary>
    public long Epoch => Step / StepsPerEpoch;
}

/// <summary>What a schedule remembers between epochs; a value, so that saving it is writing it down.</summary>
/// <param name="Factor">The factor reached so far; 1 at the start.</param>
/// <param name="Best">The best monitored value so far, or null before the first.</param>
/// <param name="BadEpochs">How many epochs have passed without a better value.</param>
/// <param name="CooldownLeft">How many epochs will not be counted.</param>
public sealed record ScheduleState(double Factor = 1, double? Best = null, int BadEpochs = 0, int CooldownLeft = 0);

/// <summary>
/// The factor by which the base learning rate is multiplied at each step. Everything is a pure function of the position and of
/// an explicit <see cref="ScheduleState"/>.
/// </summary>
public abstract record LearningRateSchedule
{
    /// <summary>
    /// How many epochs the factor rises linearly from nearly 0 to 1 at the start (Goyal et al., 2017); may be fractional.
    /// Default 0. Step n of W warm-up steps has the factor (n + 1) / W.
    /// </summary>
    public double WarmUp { get; init; }

    /// <summary>The name in recipes.</summary>
    public abstract string Name { get; }

    /// <summary>The metric whose value <see cref="AfterEpoch"/> wants; null where the schedule follows none.</summary>
    public virtual string? MonitoredMetric => null;

    /// <summary>The factor of a step.</summary>
    /// <param name="position">The step.</param>
    /// <param name="state">The state after the last finished epoch.</param>
    public double FactorAt(SchedulePosition position, ScheduleState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var warmUp = WarmUpSteps(position);
        return position.Step < warmUp ? (position.Step + 1.0) / warmUp * state.Factor : AfterWarmUp(position, warmUp, state);
    }

    /// <summary>The state after an epoch.</summary>
    /// <param name="state">The state before it.</param>
    /// <param name="monitored">The epoch's value of the monitored metric; null where there is none.</param>
    /// <param name="higherIsBetter">Whether a greater value is a better one.</param>
    public virtual ScheduleState AfterEpoch(ScheduleState state, double? monitored, bool higherIsBetter) => state;

    /// <summary>Checks the numbers.</summary>
    /// <exception cref="FrostlineException">A number is out of its range; the message names it.</exception>
    public virtual void Validate() => Require(WarmUp >= 0 && double.IsFinite(WarmUp), "warm-up", WarmUp, "0 epochs or more");

    /// <summary>The factor of a step after the warm-up.</summary>
    /// <param name="position">The step.</param>
    /// <param name="warmUpSteps">How many steps the warm-up took.</param>
    /// <param name="state">The state after the last finished epoch.</param>
    protected abstract double AfterWarmUp(SchedulePosition position, long warmUpSteps, ScheduleState state);

    /// <summary>Throws where a number is out of its range.</summary>
    /// <param name="valid">Whether it is within.</param>
    /// <param name="key">The number's key in recipes.</param>
    /// <param name="value">The number.</param>
    /// <param name="range">The range in words.</param>
    protected void Require(bool valid, string key, double value, string range)
    {
        if (!valid)
            throw new FrostlineException(
                FormattableString.Invariant($"the schedule {Name} has {key} {value}; it has to be {range}"));
    }

    private long WarmUpSteps(SchedulePosition position) => (long)Math.Round(WarmUp * position.StepsPerEpoch);
}

/// <summary>The same rate throughout.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <inheritdoc/>
    public override string Name => "constant";

    /// <inheritdoc/>
    protected override double AfterWarmUp(SchedulePosition position, long warmUpSteps, ScheduleState state) => 1;
}

/// <summary>
/// A rate that falls by a factor at every so many epochs, or at given ones; <c>StepLR</c> and <c>MultiStepLR</c>.
/// </summary>
public sealed record StepSchedule : LearningRateSchedule
{
    /// <summary>
    /// After how many epochs the rate falls, again and again; default 30. Not used where <see cref="At"/> is given.
    /// </summary>
    public int Every { get; init; } = 30;

    /// <summary>The epochs, counted from 0, at whose start the rate falls; null to use <see cref="Every"/>.</summary>
    public IReadOnlyList<int>? At { get; init; }

    /// <summary>What the rate is multiplied by, in (0, 1]; default 0.1.</summary>
    public double Factor { get; init; } = 0.1;

    /// <inheritdoc/>
    public override string Name => "step";

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(Every >= 1, "every", Every, "1 epoch or more");
        Require(Factor is > 0 and <= 1, "factor", Factor, "in (0, 1]");
    }

    /// <inheritdoc/>
    protected override double AfterWarmUp(SchedulePosition position, long warmUpSteps, ScheduleState state) =>
        Math.Pow(Factor, At is null ? position.Epoch / Every : At.Count(epoch => position.Epoch >= epoch));
}

/// <summary>
/// A rate that falls along half a cosine, step by step, from the end of the warm-up to the end of training (Loshchilov and
/// Hutter, 2017, without restarts).
/// </summary>
public sealed record CosineSchedule : LearningRateSchedule
{
    /// <summary>The factor at the end, in [0, 1]; default 0.</summary>
    public double Minimum { get; init; }

    /// <summary>After how many epochs the minimum is reached, above 0; null, the default, for the end of training.</summary>
    public double? Until { get; init; }

    /// <inheritdoc/>
    public override string Name => "cosine";

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(Minimum is >= 0 and <= 1, "minimum", Minimum, "in [0, 1]");
        Require(Until is null or > 0, "until", Until ?? 0, "above 0");
    }

    /// <inheritdoc/>
    protected override double AfterWarmUp(SchedulePosition position, long warmUpSteps, ScheduleState state)
    {
        var length = Math.Max(1, Math.Round(position.StepsPerEpoch * (Until ?? position.Epochs)) - warmUpSteps);
        var progress = Math.Min(1, (position.Step - warmUpSteps) / length);
        return Minimum + ((1 - Minimum) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }
}

/// <summary>A rate that falls when the monitored metric has stopped getting better; <c>ReduceLROnPlateau</c>.</summary>
public sealed record PlateauSchedule : LearningRateSchedule
{
    /// <summary>
    /// The metric that has to get better; default <c>loss</c>, that of the validation, or of the training where there is none.
    /// </summary>
    public string Metric { get; init; } = "loss";

    /// <summary>What the rate is multiplied by, in (0, 1); default 0.1.</summary>
    public double Factor { get; init; } = 0.1;

    /// <summary>How many epochs without a better value are borne before the rate falls; default 10.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>By how much, relative to the best value, a value has to differ to count as better; default 0.0001.</summary>
    public double Threshold { get; init; } = 1e-4;

    /// <summary>How many epochs after a fall are not counted; default 0.</summary>
    public int Cooldown { get; init; }

    /// <summary>The least factor; default 0.</summary>
    public double Minimum { get; init; }

    /// <inheritdoc/>
    public override string Name => "plateau";

    /// <inheritdoc/>
    public override string MonitoredMetric => Metric;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(Factor is > 0 and < 1, "factor", Factor, "in (0, 1)");
        Require(Patience >= 0, "patience", Patience, "0 epochs or more");
        Require(Threshold >= 0, "threshold", Threshold, "0 or above");
        Require(Cooldown >= 0, "cooldown", Cooldown, "0 epochs or more");
        Require(Minimum is >= 0 and <= 1, "minimum", Minimum, "in [0, 1]");
    }

    /// <inheritdoc/>
    public override ScheduleState AfterEpoch(ScheduleState state, double? monitored, bool higherIsBetter)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (monitored is not { } value) return state;
        var better = IsBetter(value, state.Best, higherIsBetter);
        var next = better
            ? state with { Best = value, BadEpochs = 0 }
            : state with { BadEpochs = state.BadEpochs + 1 };
        if (next.CooldownLeft > 0) next = next with { CooldownLeft = next.CooldownLeft - 1, BadEpochs = 0 };
        if (next.BadEpochs <= Patience) return next;
        return next with { Factor = Math.Max(Minimum, next.Factor * Factor), BadEpochs = 0, CooldownLeft = Cooldown };
    }

    /// <inheritdoc/>
    protected override double AfterWarmUp(SchedulePosition position, long warmUpSteps, ScheduleState state) => state.Factor;

    private bool IsBetter(double value, double? best, bool higherIsBetter)
    {
        if (double.IsNaN(value)) return false;
        if (best is not { } previous) return true;
        var margin = Threshold * Math.Abs(previous);
        return higherIsBetter ? value > previous + margin : value < previous - margin;
    }
}
