using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>
/// A rule that gives tensors their first value. Rules are applied in order; for each tensor the last match wins.
/// </summary>
[RuleKinds(typeof(DrawRule), typeof(LoadRule), typeof(KeepRule), typeof(SetRule), typeof(CopyRule), typeof(LsuvRule), typeof(CalibrateNormRule))]
public abstract record InitializeRule;

/// <summary>Draws values at random, by a network's scheme or by one initialiser.</summary>
public sealed record DrawRule : InitializeRule, ICheckedOptions
{
    /// <summary>A selector: which parameters and buffers are drawn.</summary>
    [LeadingKey]
    public required string Draw { get; init; }

    /// <summary>A scheme, which knows how each layer's tensors are drawn. Either this or <c>initializer</c>.</summary>
    public CatalogItem<InitializationScheme>? Scheme { get; init; }

    /// <summary>One initializer for all tensors that the selector matches. Either this or <c>scheme</c>.</summary>
    public CatalogItem<Initializer>? Initializer { get; init; }

    /// <inheritdoc/>
    public OptionProblem? Check() => (Scheme, Initializer) switch
    {
        (null, null) => new OptionProblem(nameof(Draw), "the rule does not say how; add scheme: or initializer:"),
        (not null, not null) => new OptionProblem(
            nameof(Initializer), "scheme and initializer exclude each other; keep one of them"),
        _ => null,
    };
}

/// <summary>Loads values from a checkpoint.</summary>
public sealed record LoadRule : InitializeRule, ICheckedOptions
{
    /// <summary>
    /// The checkpoint's file. A relative path is looked for in the recipe's folder, then in the recipe's <c>weights</c> folder,
    /// then in the folder that the environment variable FROSTLINE_WEIGHTS names.
    /// </summary>
    [LeadingKey]
    public required string Load { get; init; }

    /// <summary>A selector: which parameters and buffers receive values. Default: all.</summary>
    public string Into { get; init; } = "**";

    /// <summary>
    /// Which dictionary of the file holds the weights, for example <c>state_dict</c>. Default: found by itself.
    /// </summary>
    public string? Key { get; init; }

    /// <summary>A prefix that every name in the file has, taken off before anything else.</summary>
    public string? StripPrefix { get; init; }

    /// <summary>A prefix that is taken off where a name has it; no name need have it.</summary>
    public string? StripOptionalPrefix { get; init; }

    /// <summary>
    /// A map of names, applied after prefixes are taken off: one that is ready made (<c>module</c>, <c>orig-mod</c>,
    /// <c>wrappers</c>, <c>backbone</c>, <c>backbone-head</c>, <c>timm-hrnet</c>, <c>mmpose-hrnet</c>), or a YAML file, whose
    /// relative path counts from the recipe's folder. Default: none.
    /// </summary>
    public string? Map { get; init; }

    /// <summary>Regular expressions that change names, applied in order after prefixes are taken off and <c>map</c>.</summary>
    public IReadOnlyList<RenameRule> Rename { get; init; } = [];

    /// <summary>A prefix that is put before every name, after renaming.</summary>
    public string? AddPrefix { get; init; }

    /// <summary>How much of what <c>into</c> selects the file has to give, as a share of the tensors. Default: 100%.</summary>
    [Percentage]
    [Range(0d, 1d)]
    public double Require { get; init; } = 1;

    /// <summary>
    /// A selector: tensors inside <c>into</c> that are left to earlier rules, whatever the file holds for them; they do not count
    /// for <c>require</c>. Default: none.
    /// </summary>
    public string? Skip { get; init; }

    /// <summary>
    /// A selector: a head, which may have another number of classes than the file's. Where shapes differ its tensors are left to
    /// an earlier rule, which there must be; where they agree they are loaded. Default: none.
    /// </summary>
    public string? Head { get; init; }

    /// <summary>
    /// A first convolution, which may see another number of channels than the file's: <c>of</c> selects its weight, <c>by</c> says how
    /// the channels become others. Default: none.
    /// </summary>
    public FirstConvolution? FirstConv { get; init; }

    /// <summary>
    /// Tables of positions, which may be for another input size than the file's and are then resized bicubically: <c>of</c> selects
    /// them; <c>from</c>, <c>to</c> and <c>class-tokens</c> say what cannot be told from their sizes. Default: none.
    /// </summary>
    public PositionTables? Interpolate { get; init; }

    /// <summary>
    /// Layers that have more channels in the file's network: <c>of</c> selects their tensors, <c>by</c> says whether the first channels are
    /// taken or groups of them averaged. Default: none.
    /// </summary>
    public Narrowing? Narrow { get; init; }

    /// <summary>
    /// A selector: layers that have fewer channels in the file's network. Channels are repeated, and inputs divided by the number of
    /// copies. Default: none.
    /// </summary>
    public string? Widen { get; init; }

    /// <summary>
    /// A selector: weights of convolutions over video, which are convolutions over images in the file. They are repeated over time and
    /// divided by its length. Default: none.
    /// </summary>
    public string? Inflate { get; init; }

    /// <summary>From the file's names to the network's, as the rule says.</summary>
    /// <param name="map">What <see cref="Map"/> stands for.</param>
    internal KeyMap ToKeyMap(KeyMap map)
    {
        var prefixes = Prefixes().Then(map);
        foreach (var rename in Rename) prefixes = prefixes.Rename(rename.From, rename.To);
        return AddPrefix is null ? prefixes : prefixes.AddPrefix(AddPrefix);
    }

    private KeyMap Prefixes()
    {
        var map = KeyMap.Identity;
        if (StripPrefix is not null) map = map.StripPrefix(StripPrefix);
        if (StripOptionalPrefix is not null) map = map.StripOptional(StripOptionalPrefix);
        return map;
    }

    /// <inheritdoc/>
    public OptionProblem? Check()
    {
        if (StripPrefix is not null && StripOptionalPrefix is not null)
            return new OptionProblem(
                nameof(StripOptionalPrefix), "strip-prefix and strip-optional-prefix exclude each other; keep one of them");
        return null;
    }
}

/// <summary>A change of names.</summary>
public sealed record RenameRule : ICheckedOptions
{
    /// <summary>A regular expression (.NET syntax) over the whole dotted name; each match is replaced.</summary>
    public required string From { get; init; }

    /// <summary>What replaces a match; <c>$1</c> is the first group.</summary>
    public required string To { get; init; }

    /// <inheritdoc/>
    public OptionProblem? Check()
    {
        try
        {
            _ = Regex.IsMatch("", From, RegexOptions.None, TimeSpan.FromSeconds(1));
            return null;
        }
        catch (ArgumentException exception)
        {
            return new OptionProblem(nameof(From), $"is no regular expression: {exception.Message}");
        }
    }
}

/// <summary>Leaves values as the network's constructor made them.</summary>
public sealed record KeepRule : InitializeRule
{
    /// <summary>A selector: which parameters and buffers keep their values.</summary>
    [LeadingKey]
    public required string Keep { get; init; }
}

/// <summary>Sets all elements to one number.</summary>
public sealed record SetRule : InitializeRule
{
    /// <summary>A selector: which parameters and buffers are set.</summary>
    [LeadingKey]
    public required string Set { get; init; }

    /// <summary>The number.</summary>
    public required double Value { get; init; }
}

/// <summary>
/// Copies values inside the network, after draw, load, keep and set: a copy has what its source has in the end.
/// </summary>
public sealed record CopyRule : InitializeRule
{
    /// <summary>The name of what is copied: a parameter, a buffer, or a module with all that it holds.</summary>
    [LeadingKey]
    public required string Copy { get; init; }

    /// <summary>The name of what becomes equal to it, of the same kind: a module needs a counterpart for each of its tensors.</summary>
    public required string Into { get; init; }

    /// <summary>
    /// How a tensor of another shape is computed from its source, as the policies of <c>load</c> do it: <c>exact</c> (not at all, an error),
    /// <c>first-conv-average</c>, <c>first-conv-repeat</c>, <c>narrow-first</c>, <c>narrow-average</c>, <c>widen</c> or <c>inflate</c>.
    /// Default: exact.
    /// </summary>
    public CopyFit Fit { get; init; } = CopyFit.Exact;
}

/// <summary>
/// Scales the weights of convolutions and linear layers, after all values are given, until each layer's output has the variance 1 on the
/// first training batch (LSUV). Draw them <c>orthogonal</c> first.
/// </summary>
public sealed record LsuvRule : InitializeRule
{
    /// <summary>A selector: the layers, or what contains them.</summary>
    [LeadingKey]
    public required string Lsuv { get; init; }

    /// <summary>How far a variance may be from 1. Default: 0.1.</summary>
    [Range(double.Epsilon, double.MaxValue)]
    public double Tolerance { get; init; } = 0.1;

    /// <summary>How often a layer is measured at the most. Default: 10.</summary>
    [Range(1, int.MaxValue)]
    public int Iterations { get; init; } = 10;
}

/// <summary>Estimates the running statistics of normalisation layers on the training data, after all values are given.</summary>
public sealed record CalibrateNormRule : InitializeRule
{
    /// <summary>A selector: the layers, or what contains them.</summary>
    [LeadingKey]
    public required string CalibrateNorm { get; init; }

    /// <summary>How many batches of the training data the statistics are the mean of. Default: 10.</summary>
    [Range(1, int.MaxValue)]
    public int Batches { get; init; } = 10;
}
