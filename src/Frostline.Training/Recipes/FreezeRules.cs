using System.ComponentModel.DataAnnotations;
using Frostline.Freezing;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>
/// A rule of the freeze plan. Rules are applied in order; the last match wins, for parameters, norm statistics and dropout apart.
/// What no rule matches is trained, with moving statistics and active dropout.
/// </summary>
[RuleKinds(typeof(FreezeSelectionRule), typeof(TrainSelectionRule), typeof(PolicyRule), typeof(UnfreezeRule), typeof(ProgressiveFreezingRule))]
public abstract record FreezeRule : ICheckedOptions
{
    /// <summary>The selectors of the rule, as errors quote them.</summary>
    [NotAKey]
    internal abstract IReadOnlyList<string> Selectors { get; }


    /// <summary>
    /// What the running statistics of norms do: <c>move</c> or <c>hold</c>. Default: <c>hold</c> in a <c>freeze</c> rule,
    /// <c>move</c> in a <c>train</c> rule, unchanged in an <c>of</c> rule.
    /// </summary>
    public NormPolicy? Norm { get; init; }

    /// <summary>
    /// Whether dropout is active while training. Default: <c>off</c> in a <c>freeze</c> rule, <c>on</c> in a <c>train</c> rule,
    /// unchanged in an <c>of</c> rule.
    /// </summary>
    public bool? Dropout { get; init; }

    /// <summary>
    /// The epoch, counted from 0, from whose beginning on the rule holds: <c>5</c> is after five epochs. Default: from the beginning; in an
    /// <c>unfreeze</c> rule 1.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int? FromEpoch { get; init; }

    /// <summary>
    /// The plateau, counted from 1, from which on the rule holds; <c>train.plateau</c> says what one is. Default: the rule waits for none.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int? FromPlateau { get; init; }

    /// <inheritdoc/>
    public virtual OptionProblem? Check() => FromEpoch is not null && FromPlateau is not null
        ? new OptionProblem(nameof(FromPlateau), "the rule waits for an epoch already; keep from-epoch or from-plateau")
        : null;
}

/// <summary>Freezes: parameters are not trained, norm statistics are held, dropout is off.</summary>
public sealed record FreezeSelectionRule : FreezeRule
{
    /// <summary>A selector: what is frozen.</summary>
    [LeadingKey]
    public required string Freeze { get; init; }

    internal override IReadOnlyList<string> Selectors => [Freeze];
}

/// <summary>Trains: parameters are trained, norm statistics move, dropout is on.</summary>
public sealed record TrainSelectionRule : FreezeRule
{
    /// <summary>A selector: what is trained.</summary>
    [LeadingKey]
    public required string Train { get; init; }

    /// <summary>The factor on the optimizer's learning rate for these parameters. Default: 1x.</summary>
    [Multiplier]
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1;

    /// <summary>
    /// Over how many epochs the learning rate of these parameters rises linearly, from when they begin to be trained. Default: 0, at once.
    /// </summary>
    [Range(0d, double.MaxValue)]
    public double WarmUp { get; init; }

    internal override IReadOnlyList<string> Selectors => [Train];
}

/// <summary>Sets one or two of the three things apart, and leaves the others as earlier rules have them.</summary>
public sealed record PolicyRule : FreezeRule
{
    /// <summary>A selector: what the rule is for.</summary>
    [LeadingKey]
    public required string Of { get; init; }

    /// <summary>
    /// Whether parameters are trained. Norm statistics and dropout are not touched: with <c>off</c> alone statistics go on moving
    /// below frozen weights, which the audit reports. Default: unchanged.
    /// </summary>
    public bool? Parameters { get; init; }

    internal override IReadOnlyList<string> Selectors => [Of];

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Parameters is null && Norm is null && Dropout is null
            ? new OptionProblem(nameof(Of), "the rule says nothing; add parameters:, norm: or dropout:")
            : base.Check();
}

/// <summary>
/// Gradual unfreezing (Howard and Ruder, 2018): parts that an earlier rule froze are trained one after the other, each from its own epoch or
/// plateau on.
/// </summary>
public sealed record UnfreezeRule : FreezeRule
{
    /// <summary>Selectors of the parts, in the order in which they thaw: the one nearest to the output first.</summary>
    [LeadingKey]
    [MinLength(1)]
    public required IReadOnlyList<string> Unfreeze { get; init; }

    /// <summary>How many epochs lie between one part and the next. With <c>from-plateau</c> it is one plateau each. Default: 1.</summary>
    [Range(1, int.MaxValue)]
    public int Every { get; init; } = 1;

    /// <summary>By what a part's learning rate is divided, each time once more; ULMFiT divides by 2.6. Default: 1.</summary>
    [Range(1d, double.MaxValue)]
    public double Decay { get; init; } = 1;

    /// <summary>
    /// Over how many epochs the learning rate of a part rises linearly, from when it begins to be trained. Default: 0, at once.
    /// </summary>
    [Range(0d, double.MaxValue)]
    public double WarmUp { get; init; }

    internal override IReadOnlyList<string> Selectors => Unfreeze;
}

/// <summary>
/// Progressive freezing from below (Brock et al., 2017, FreezeOut): parts are trained at first, their learning rates fall to 0 along a
/// cosine each, and then they are frozen, the one nearest to the input first.
/// </summary>
public sealed record ProgressiveFreezingRule : FreezeRule
{
    /// <summary>Selectors of the parts, the one nearest to the input first.</summary>
    [LeadingKey]
    [MinLength(1)]
    public required IReadOnlyList<string> FreezeProgressively { get; init; }

    /// <summary>The share of the training after which the first part stops; the others follow evenly. Default: 50%.</summary>
    [Percentage]
    [Range(0d, 1d, MinimumIsExclusive = true)]
    public double First { get; init; } = 0.5;

    /// <summary>Whether the shares are cubed, so that early parts stop earlier. Default: true.</summary>
    public bool Cubed { get; init; } = true;

    /// <summary>
    /// Whether a part's learning rate is divided by its share of the training, so that each moves about as far as without freezing. Default:
    /// true.
    /// </summary>
    public bool Scaled { get; init; } = true;

    internal override IReadOnlyList<string> Selectors => FreezeProgressively;

    /// <inheritdoc/>
    public override OptionProblem? Check() => this switch
    {
        { FromEpoch: not null } => new OptionProblem(nameof(FromEpoch), "progressive freezing has epochs of its own, by first: and cubed:; take from-epoch away"),
        { FromPlateau: not null } => new OptionProblem(nameof(FromPlateau), "progressive freezing has epochs of its own, by first: and cubed:; take from-plateau away"),
        { Norm: not null } => new OptionProblem(nameof(Norm), "a part that is frozen is held; take norm away, or say it in an of: rule"),
        { Dropout: not null } => new OptionProblem(nameof(Dropout), "a part that is frozen has no dropout; take dropout away, or say it in an of: rule"),
        _ => null,
    };
}
