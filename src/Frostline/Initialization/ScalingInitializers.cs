namespace Frostline.Initialization;

/// <summary>
/// Uniform on [-b, b) with <c>b = gain * sqrt(6 / (fan in + fan out))</c>. Source: Glorot and Bengio, "Understanding the
/// difficulty of training deep feedforward neural networks", AISTATS 2010; PyTorch <c>xavier_uniform_</c>.
/// </summary>
public sealed class XavierUniform : ScalingInitializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="gain">The factor, at least 0; default 1.</param>
    public XavierUniform(double gain = 1)
        : base(Id, gain)
    {
    }

    internal const string Id = "xavier-uniform";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("gain", Text(Gain))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        var fans = FansOf(target);
        var bound = Math.Sqrt(3) * Gain * Math.Sqrt(2 / (fans.In + fans.Out));
        Draw.Uniform(values, -bound, bound, random);
    }
}

/// <summary>
/// Normal with mean 0 and deviation <c>gain * sqrt(2 / (fan in + fan out))</c>. Source: Glorot and Bengio 2010; PyTorch
/// <c>xavier_normal_</c>.
/// </summary>
public sealed class XavierNormal : ScalingInitializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="gain">The factor, at least 0; default 1.</param>
    public XavierNormal(double gain = 1)
        : base(Id, gain)
    {
    }

    internal const string Id = "xavier-normal";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("gain", Text(Gain))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        var fans = FansOf(target);
        Draw.Normal(values, 0, Gain * Math.Sqrt(2 / (fans.In + fans.Out)), random);
    }
}

/// <summary>
/// Uniform on [-b, b) with <c>b = gain * sqrt(3 / fan)</c>. Source: He et al., "Delving Deep into Rectifiers", ICCV 2015;
/// PyTorch <c>kaiming_uniform_</c>. The defaults are PyTorch's.
/// </summary>
public sealed class KaimingUniform : KaimingInitializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="fan">Which fan; default <see cref="FanMode.In"/>.</param>
    /// <param name="nonlinearity">What follows the weight; default leaky ReLU.</param>
    /// <param name="slope">The negative slope of a leaky ReLU; default 0, a plain ReLU.</param>
    public KaimingUniform(FanMode fan = FanMode.In, Nonlinearity nonlinearity = Nonlinearity.LeakyRelu, double slope = 0)
        : base(Id, fan, nonlinearity, slope)
    {
    }

    internal const string Id = "kaiming-uniform";

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        var bound = Math.Sqrt(3) * DeviationOf(target);
        Draw.Uniform(values, -bound, bound, random);
    }
}

/// <summary>
/// Normal with mean 0 and deviation <c>gain / sqrt(fan)</c>. Source: He et al. 2015; PyTorch <c>kaiming_normal_</c>. The defaults
/// are PyTorch's.
/// </summary>
public sealed class KaimingNormal : KaimingInitializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="fan">Which fan; default <see cref="FanMode.In"/>.</param>
    /// <param name="nonlinearity">What follows the weight; default leaky ReLU.</param>
    /// <param name="slope">The negative slope of a leaky ReLU; default 0, a plain ReLU.</param>
    public KaimingNormal(FanMode fan = FanMode.In, Nonlinearity nonlinearity = Nonlinearity.LeakyRelu, double slope = 0)
        : base(Id, fan, nonlinearity, slope)
    {
    }

    internal const string Id = "kaiming-normal";

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random) =>
        Draw.Normal(values, 0, DeviationOf(target), random);
}

/// <summary>
/// Uniform on [-b, b) with <c>b = 1 / sqrt(fan in of the weight beside it)</c>: PyTorch's default for the bias of linear and
/// convolutional layers (<c>Linear.reset_parameters</c>, <c>_ConvNd.reset_parameters</c>).
/// </summary>
public sealed class FanInBias : Initializer
{
    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "fan-in-bias";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [];

    /// <inheritdoc/>
    public override void Check(InitializationTarget target)
    {
        if (target.Weight is null || Fans.Of(target.Weight.Shape) is null)
            throw Unsuitable(target, "needs a weight of at least two dimensions in the same module");
    }

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        var fan = Fans.Of(target.Weight!.Shape)!.Value.In;
        var bound = fan > 0 ? 1 / Math.Sqrt(fan) : 0;
        Draw.Uniform(values, -bound, bound, random);
    }
}

/// <summary>
/// Every element is <c>-log((1 - probability) / probability)</c>, the logit at which a sigmoid starts with that probability: the
/// bias of the last layer under a focal loss. Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section
/// 4.1.
/// </summary>
public sealed class PriorProbability : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="probability">The probability, between 0 and 1, both excluded; default 0.01.</param>
    public PriorProbability(double probability = 0.01)
    {
        Require(Id, "probability", probability, double.Epsilon, Math.BitDecrement(1.0));
        Probability = probability;
    }

    /// <summary>The probability with which the sigmoid starts.</summary>
    public double Probability { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "prior-probability";

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("probability", Text(Probability))];

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random) =>
        values.Fill(-Math.Log((1 - Probability) / Probability));
}

/// <summary>An initializer whose scale follows from the weight's fans.</summary>
public abstract class ScalingInitializer : Initializer
{
    private protected ScalingInitializer(string name, double gain)
    {
        Require(name, "gain", gain, least: 0);
        (Name, Gain) = (name, gain);
    }

    /// <inheritdoc/>
    public sealed override string Name { get; }

    /// <summary>The factor on the scale.</summary>
    public double Gain { get; }

    /// <inheritdoc/>
    public sealed override void Check(InitializationTarget target) => FansOf(target);

    private protected Fans FansOf(InitializationTarget target) =>
        Fans.Of(target.Tensor.Shape) ?? throw Unsuitable(target, "needs at least two dimensions to count its fans");
}

/// <summary>An initializer after He et al.: deviation <c>gain / sqrt(fan)</c>.</summary>
public abstract class KaimingInitializer : ScalingInitializer
{
    private protected KaimingInitializer(string name, FanMode fan, Nonlinearity nonlinearity, double slope)
        : base(name, Gains.Of(nonlinearity, slope))
    {
        (Fan, Nonlinearity, Slope) = (fan, nonlinearity, slope);
    }

    /// <summary>Which fan sets the scale.</summary>
    public FanMode Fan { get; }

    /// <summary>What follows the weight.</summary>
    public Nonlinearity Nonlinearity { get; }

    /// <summary>The negative slope of a leaky ReLU.</summary>
    public double Slope { get; }

    /// <inheritdoc/>
    protected sealed override IReadOnlyList<(string Key, string Value)> Settings => Nonlinearity == Nonlinearity.LeakyRelu
        ? [.. FanAndNonlinearity, ("slope", Text(Slope))]
        : FanAndNonlinearity;

    private IReadOnlyList<(string Key, string Value)> FanAndNonlinearity =>
        [("fan", InitializerSettings.Text(Fan)), ("nonlinearity", InitializerSettings.Text(Nonlinearity))];

    private protected double DeviationOf(InitializationTarget target) => Gain / Math.Sqrt(FansOf(target).Of(Fan));
}
