using System.ComponentModel.DataAnnotations;
using Frostline.Freezing;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>
/// A rule of the freeze plan. Rules are applied in order; the last match wins, for parameters, norm statistics and dropout apart.
/// What no rule matches is trained, with moving statistics and active dropout.
/// </summary>
[RuleKinds(typeof(FreezeSelectionRule), typeof(TrainSelectionRule), typeof(PolicyRule))]
public abstract record FreezeRule
{
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
}

/// <summary>Freezes: parameters are not trained, norm statistics are held, dropout is off.</summary>
public sealed record FreezeSelectionRule : FreezeRule
{
    /// <summary>A selector: what is frozen.</summary>
    [LeadingKey]
    public required string Freeze { get; init; }
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
}

/// <summary>Sets one or two of the three things apart, and leaves the others as earlier rules have them.</summary>
public sealed record PolicyRule : FreezeRule, ICheckedOptions
{
    /// <summary>A selector: what the rule is for.</summary>
    [LeadingKey]
    public required string Of { get; init; }

    /// <summary>
    /// Whether parameters are trained. Norm statistics and dropout are not touched: with <c>off</c> alone statistics go on moving
    /// below frozen weights, which the audit reports. Default: unchanged.
    /// </summary>
    public bool? Parameters { get; init; }

    /// <inheritdoc/>
    public OptionProblem? Check() =>
        Parameters is null && Norm is null && Dropout is null
            ? new OptionProblem(nameof(Of), "the rule says nothing; add parameters:, norm: or dropout:")
            : null;
}
