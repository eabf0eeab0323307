namespace Frostline.Initialization;

/// <summary>Every element is one value. Source: PyTorch <c>constant_</c>, <c>zeros_</c>, <c>ones_</c>.</summary>
public sealed class Constant : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="value">The value; finite.</param>
    public Constant(double value)
    {
        Require("constant", "value", value);
        Value = value;
    }

    /// <summary>All zeros.</summary>
    public static Constant Zeros { get; } = new(0);

    /// <summary>All ones.</summary>
    public static Constant Ones { get; } = new(1);

    /// <summary>The value.</summary>
    public double Value { get; }

    /// <inheritdoc/>
    public override string Name => Value switch { 0 => "zeros", 1 => "ones", _ => "constant" };

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => Value is 0 or 1 ? [] : [("value", Text(Value))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random) => values.Fill(Value);
}

/// <summary>Uniform on [low, high). Source: PyTorch <c>uniform_</c>.</summary>
public sealed class Uniform : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="low">The least value; default 0.</param>
    /// <param name="high">The bound above; at least <paramref name="low"/>; default 1.</param>
    public Uniform(double low = 0, double high = 1)
    {
        Require(Id, "low", low);
        Require(Id, "high", high, least: low);
        (Low, High) = (low, high);
    }

    /// <summary>The least value.</summary>
    public double Low { get; }

    /// <summary>The bound above.</summary>
    public double High { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "uniform";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("low", Text(Low)), ("high", Text(High))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random) =>
        Draw.Uniform(values, Low, High, random);
}

/// <summary>Normal with density exp(-(x - mean)^2 / (2 deviation^2)). Source: PyTorch <c>normal_</c>.</summary>
public sealed class Normal : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="mean">The mean; default 0.</param>
    /// <param name="deviation">The standard deviation, at least 0; default 1.</param>
    public Normal(double mean = 0, double deviation = 1)
    {
        Require(Id, "mean", mean);
        Require(Id, "deviation", deviation, least: 0);
        (Mean, Deviation) = (mean, deviation);
    }

    /// <summary>The mean.</summary>
    public double Mean { get; }

    /// <summary>The standard deviation.</summary>
    public double Deviation { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "normal";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings =>
        [("mean", Text(Mean)), ("deviation", Text(Deviation))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random) =>
        Draw.Normal(values, Mean, Deviation, random);
}

/// <summary>
/// Normal, cut off outside [low, high]: <c>mean + deviation * Q(u)</c> with u uniform between the probabilities of the two bounds
/// and Q the normal quantile. The bounds are values, not multiples of the deviation, and the deviation is that of the
/// normal distribution before it is cut: PyTorch's definition (<c>trunc_normal_</c>).
/// </summary>
public sealed class TruncatedNormal : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="mean">The mean before the cut; default 0.</param>
    /// <param name="deviation">The standard deviation before the cut, above 0; default 1.</param>
    /// <param name="low">The least value; default -2.</param>
    /// <param name="high">The greatest value, above <paramref name="low"/>; default 2.</param>
    public TruncatedNormal(double mean = 0, double deviation = 1, double low = -2, double high = 2)
    {
        Require(Id, "mean", mean);
        Require(Id, "deviation", deviation, least: double.Epsilon);
        Require(Id, "low", low);
        Require(Id, "high", high, least: Math.BitIncrement(low));
        (Mean, Deviation, Low, High) = (mean, deviation, low, high);
    }

    /// <summary>The mean before the cut.</summary>
    public double Mean { get; }

    /// <summary>The standard deviation before the cut.</summary>
    public double Deviation { get; }

    /// <summary>The least value.</summary>
    public double Low { get; }

    /// <summary>The greatest value.</summary>
    public double High { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "truncated-normal";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings =>
        [("mean", Text(Mean)), ("deviation", Text(Deviation)), ("low", Text(Low)), ("high", Text(High))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        var (low, high) = ((Low - Mean) / Deviation, (High - Mean) / Deviation);
        // Probabilities near 1 cannot tell the upper tail's values apart: a cut above the mean is drawn mirrored.
        var sign = low > 0 ? -1.0 : 1.0;
        if (sign < 0) (low, high) = (-high, -low);
        var (least, most) = (NormalDistribution.Cumulative(low), NormalDistribution.Cumulative(high));
        foreach (ref var value in values)
        {
            var standard = NormalDistribution.Quantile(random.NextDouble(least, most));
            value = Math.Clamp(Mean + (Deviation * sign * standard), Low, High);
        }
    }
}

/// <summary>The loops that several initializers share.</summary>
internal static class Draw
{
    public static void Uniform(Span<double> values, double low, double high, CounterRandom random)
    {
        foreach (ref var value in values) value = random.NextDouble(low, high);
    }

    public static void Normal(Span<double> values, double mean, double deviation, CounterRandom random)
    {
        foreach (ref var value in values) value = mean + (deviation * random.NextNormal());
    }
}
