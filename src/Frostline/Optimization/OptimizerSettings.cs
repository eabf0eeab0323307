using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Optimization;

/// <summary>Which optimizer, with all its numbers. Defaults are PyTorch's.</summary>
public abstract record OptimizerSettings
{
    /// <summary>The base learning rate, above 0; default 0.001. A group's own rate is this times its multiplier.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The name in recipes and in saved state.</summary>
    public abstract string Name { get; }

    /// <summary>The weight decay that groups have which set none of their own.</summary>
    public abstract double DefaultWeightDecay { get; }

    /// <summary>Checks the numbers.</summary>
    /// <exception cref="FrostlineException">A number is out of its range; the message names it.</exception>
    public virtual void Validate()
    {
        Require(LearningRate > 0 && double.IsFinite(LearningRate), "learning-rate", LearningRate, "above 0");
        Require(DefaultWeightDecay >= 0 && double.IsFinite(DefaultWeightDecay), "weight-decay", DefaultWeightDecay, "0 or above");
    }

    internal abstract OptimizerCore CreateCore(IReadOnlyList<OptimizerGroup> groups);

    internal void Require(bool valid, string key, double value, string range)
    {
        if (!valid)
            throw new FrostlineException(
                FormattableString.Invariant($"the optimizer {Name} has {key} {value}; it has to be {range}"));
    }
}

/// <summary>Stochastic gradient descent; <c>torch.optim.SGD</c>.</summary>
public sealed record SgdSettings : OptimizerSettings
{
    /// <summary>The momentum factor, 0 or above; default 0, which is none.</summary>
    public double Momentum { get; init; }

    /// <summary>How much of a gradient does not enter the momentum; default 0.</summary>
    public double Dampening { get; init; }

    /// <summary>Whether to look ahead along the momentum (Nesterov); needs momentum and no dampening. Default false.</summary>
    public bool Nesterov { get; init; }

    /// <summary>The weight decay, added to the gradient (L2); default 0.</summary>
    public double WeightDecay { get; init; }

    /// <inheritdoc/>
    public override string Name => "sgd";

    /// <inheritdoc/>
    public override double DefaultWeightDecay => WeightDecay;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(Momentum >= 0 && double.IsFinite(Momentum), "momentum", Momentum, "0 or above");
        if (Nesterov && (Momentum <= 0 || Dampening != 0))
            throw new FrostlineException("the optimizer sgd has nesterov, which needs a momentum above 0 and a dampening of 0");
    }

    internal override OptimizerCore CreateCore(IReadOnlyList<OptimizerGroup> groups) => new SgdCore(this, groups);
}

/// <summary>What Adam and AdamW share.</summary>
public abstract record AdaptiveSettings : OptimizerSettings
{
    /// <summary>How slowly the mean of gradients follows, in [0, 1); default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How slowly the mean of squared gradients follows, in [0, 1); default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the denominator; default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Whether the denominator never shrinks (AMSGrad); default false.</summary>
    public bool AmsGrad { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(Beta1 is >= 0 and < 1, "beta1", Beta1, "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, "beta2", Beta2, "in [0, 1)");
        Require(Epsilon >= 0, "epsilon", Epsilon, "0 or above");
    }
}

/// <summary>Adam (Kingma and Ba, 2015), decay added to the gradient; <c>torch.optim.Adam</c>.</summary>
public sealed record AdamSettings : AdaptiveSettings
{
    /// <summary>The weight decay, added to the gradient (L2); default 0.</summary>
    public double WeightDecay { get; init; }

    /// <inheritdoc/>
    public override string Name => "adam";

    /// <inheritdoc/>
    public override double DefaultWeightDecay => WeightDecay;

    internal override OptimizerCore CreateCore(IReadOnlyList<OptimizerGroup> groups) => new AdaptiveCore(this, groups, decoupled: false);
}

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, 2019); <c>torch.optim.AdamW</c>.</summary>
public sealed record AdamWSettings : AdaptiveSettings
{
    /// <summary>The weight decay, by which weights shrink apart from the gradient; default 0.01, as in PyTorch.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <inheritdoc/>
    public override string Name => "adamw";

    /// <inheritdoc/>
    public override double DefaultWeightDecay => WeightDecay;

    internal override OptimizerCore CreateCore(IReadOnlyList<OptimizerGroup> groups) => new AdaptiveCore(this, groups, decoupled: true);
}

/// <summary>Short ways to write <see cref="OptimizerSettings"/>.</summary>
public static class Optimizers
{
    /// <summary>Stochastic gradient descent.</summary>
    /// <param name="learningRate">The base learning rate.</param>
    /// <param name="momentum">The momentum factor; default 0.</param>
    /// <param name="nesterov">Whether to look ahead along the momentum; default false.</param>
    /// <param name="weightDecay">The weight decay; default 0.</param>
    /// <param name="dampening">How much of a gradient does not enter the momentum; default 0.</param>
    public static SgdSettings Sgd(
        double learningRate, double momentum = 0, bool nesterov = false, double weightDecay = 0, double dampening = 0) =>
        new()
        {
            LearningRate = learningRate,
            Momentum = momentum,
            Nesterov = nesterov,
            WeightDecay = weightDecay,
            Dampening = dampening,
        };

    /// <summary>Adam.</summary>
    /// <param name="learningRate">The base learning rate; default 0.001.</param>
    /// <param name="weightDecay">The weight decay; default 0.</param>
    /// <param name="beta1">How slowly the mean of gradients follows; default 0.9.</param>
    /// <param name="beta2">How slowly the mean of squared gradients follows; default 0.999.</param>
    public static AdamSettings Adam(
        double learningRate = 1e-3, double weightDecay = 0, double beta1 = 0.9, double beta2 = 0.999) =>
        new() { LearningRate = learningRate, WeightDecay = weightDecay, Beta1 = beta1, Beta2 = beta2 };

    /// <summary>Adam with decoupled weight decay.</summary>
    /// <param name="learningRate">The base learning rate; default 0.001.</param>
    /// <param name="weightDecay">The weight decay; default 0.01, as in PyTorch.</param>
    /// <param name="beta1">How slowly the mean of gradients follows; default 0.9.</param>
    /// <param name="beta2">How slowly the mean of squared gradients follows; default 0.999.</param>
    public static AdamWSettings AdamW(
        double learningRate = 1e-3, double weightDecay = 0.01, double beta1 = 0.9, double beta2 = 0.999) =>
        new() { LearningRate = learningRate, WeightDecay = weightDecay, Beta1 = beta1, Beta2 = beta2 };
}

/// <summary>Parameters that share a learning rate and a weight decay.</summary>
/// <param name="Name">The name in reports, for example <c>1x</c>.</param>
/// <param name="Parameters">The parameters by name.</param>
/// <param name="Multiplier">What the base learning rate is multiplied by; default 1.</param>
/// <param name="WeightDecay">The group's own weight decay, or null for that of the settings.</param>
public sealed record OptimizerGroup(
    string Name, IReadOnlyList<NamedParameter> Parameters, double Multiplier = 1, double? WeightDecay = null)
{
    /// <summary>The group's own learning-rate schedule; null, the default, for that of the training.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>Over how many epochs the rate rises linearly, from <see cref="Since"/> on; default 0, at once.</summary>
    public double WarmUp { get; init; }

    /// <summary>The epoch, counted from 0, at which the warm-up begins; default 0.</summary>
    public double Since { get; init; }

    /// <summary>The learning rate of a step.</summary>
    /// <param name="rate">The optimizer's learning rate, without a schedule.</param>
    /// <param name="schedule">The training's schedule.</param>
    /// <param name="position">The step.</param>
    /// <param name="state">The state of the training's schedule.</param>
    internal double RateAt(double rate, LearningRateSchedule schedule, SchedulePosition position, ScheduleState state)
    {
        // Steps from the beginning of the warm-up, as the warm-up of a training counts them.
        var steps = Math.Round(WarmUp * position.StepsPerEpoch);
        var done = position.Step - Math.Round(Since * position.StepsPerEpoch) + 1;
        var warmth = done >= steps ? 1 : Math.Max(done, 1) / steps;
        return rate * Multiplier * warmth * (Schedule ?? schedule).FactorAt(position, state);
    }
}

/// <summary>A parameter and its dotted name.</summary>
/// <param name="Name">The dotted name, as in the network's <c>state_dict</c>.</param>
/// <param name="Parameter">The parameter; it stays the network's.</param>
public sealed record NamedParameter(string Name, Parameter Parameter);

/// <summary>A tensor and its name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Tensor">The tensor; whose it is, the method that returns it says.</param>
public sealed record NamedTensor(string Name, torch.Tensor Tensor);
