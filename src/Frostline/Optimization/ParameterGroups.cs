using System.Globalization;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Optimization;

/// <summary>
/// How parameters are trained apart from the optimizer's own numbers: ordered rules by selector; for each thing that a rule sets, the last
/// match wins. Learning-rate factors multiply that of the freeze plan.
/// </summary>
/// <example>
/// <code>
/// using var optimizer = frozen.Optimizer(
///     Optimizers.AdamW(1e-3, weightDecay: 0.05), new ParameterGroups().LayerDecay(0.75).NoDecayOnNormAndBias());
/// </code>
/// </example>
public sealed class ParameterGroups
{
    private readonly List<Rule> _rules = [];
    private double? _layerDecay;
    private bool _spared;

    /// <summary>Sets how parameters are trained.</summary>
    /// <param name="selector">Which parameters; frozen ones among them are left alone until they are trained.</param>
    /// <param name="learningRate">The factor on the learning rate, finite and above 0; null, the default, leaves it.</param>
    /// <param name="weightDecay">The weight decay, finite and 0 or above; null, the default, leaves it.</param>
    /// <param name="schedule">
    /// A learning-rate schedule instead of the training's; null, the default, leaves it. One that follows a metric is refused: that is the
    /// training's own.
    /// </param>
    /// <returns>These groups.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="ArgumentException">Nothing is set.</exception>
    /// <exception cref="FrostlineException">The schedule follows a metric, or one of its numbers is out of range.</exception>
    public ParameterGroups For(string selector, double? learningRate = null, double? weightDecay = null, LearningRateSchedule? schedule = null)
    {
        if (learningRate is { } rate && (!double.IsFinite(rate) || rate <= 0))
            throw new ArgumentOutOfRangeException(nameof(learningRate), rate, "the factor on the learning rate has to be finite and above 0");
        if (weightDecay is { } decay && (!double.IsFinite(decay) || decay < 0))
            throw new ArgumentOutOfRangeException(nameof(weightDecay), decay, "the weight decay has to be finite and 0 or above");
        if (learningRate is null && weightDecay is null && schedule is null)
            throw new ArgumentException("a rule has to set a learning rate, a weight decay or a schedule", nameof(selector));
        if (schedule is { MonitoredMetric: { } metric })
            throw new FrostlineException($"the schedule {schedule.Name} follows \"{metric}\" and cannot be a group's own; make it the training's schedule");
        schedule?.Validate();
        _rules.Add(new Rule(Selector.Parse(selector), learningRate, weightDecay, schedule));
        return this;
    }

    /// <summary>
    /// Layer-wise learning-rate decay by stage (Clark et al., 2020, ELECTRA; <c>layer_decay</c> in timm): the last stage has the factor 1,
    /// the one before it <paramref name="factor"/>, then its square and so on, whatever is frozen.
    /// </summary>
    /// <param name="factor">The factor, in (0, 1], for example 0.75.</param>
    /// <returns>These groups.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The factor is out of its range.</exception>
    public ParameterGroups LayerDecay(double factor)
    {
        if (factor is not (> 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(factor), factor, "the layer decay has to be in (0, 1]");
        _layerDecay = factor;
        return this;
    }

    /// <summary>
    /// No weight decay on parameters of one dimension or none: weights and biases of norms, all other biases, scales; as timm's
    /// <c>param_groups_weight_decay</c>. A rule that sets a decay for them wins.
    /// </summary>
    /// <returns>These groups.</returns>
    public ParameterGroups NoDecayOnNormAndBias()
    {
        _spared = true;
        return this;
    }

    /// <summary>
    /// Lets the learning rates of parts fall to 0 by a cosine each until it is frozen (FreezeOut, see <see cref="ProgressiveFreezing"/>).
    /// </summary>
    /// <param name="freezing">Which parts, and when.</param>
    /// <param name="scaled">
    /// Whether a part's rate is divided by its share of the training, so that each moves about as far as without freezing; default true.
    /// </param>
    /// <returns>These groups.</returns>
    /// <exception cref="SelectionException">A selector cannot be read.</exception>
    public ParameterGroups Anneal(ProgressiveFreezing freezing, bool scaled = true)
    {
        ArgumentNullException.ThrowIfNull(freezing);
        for (var i = 0; i < freezing.Parts.Count; i++)
        {
            var end = freezing.EndOf(i);
            For(freezing.Parts[i], scaled ? (double)freezing.Epochs / end : null, schedule: new CosineSchedule { Until = end });
        }

        return this;
    }

    /// <summary>Makes the groups of what is trained.</summary>
    /// <param name="tree">The network.</param>
    /// <param name="trained">What is trained.</param>
    /// <exception cref="SelectionException">A selector matches nothing.</exception>
    /// <exception cref="FrostlineException">A rule matches no parameter, or there is a layer decay and no stage.</exception>
    internal IReadOnlyList<OptimizerGroup> Of(ModuleTree tree, IReadOnlyList<TrainedParameter> trained)
    {
        var chosen = _rules.ConvertAll(rule => (Rule: rule, Names: NamesOf(rule, tree)));
        var depth = StageFactors(tree);
        var groups = trained
            .Select(parameter => (Parameter: parameter, Key: KeyOf(parameter, chosen, depth)))
            .GroupBy(pair => pair.Key)
            .Select(group => (group.Key, Parameters: group.Select(pair => new NamedParameter(pair.Parameter.Name, pair.Parameter.Parameter)).ToList()))
            .ToList();
        // The rate alone names a group, unless it is not enough to tell two apart.
        var shared = groups.GroupBy(group => group.Key.Multiplier).Where(same => same.Count() > 1).Select(same => same.Key).ToHashSet();
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        return [.. groups.Select(group => new OptimizerGroup(
            Unique(shared.Contains(group.Key.Multiplier) ? group.Key.LongName : group.Key.ShortName), group.Parameters, group.Key.Multiplier, group.Key.WeightDecay)
        {
            Schedule = group.Key.Schedule, WarmUp = group.Key.WarmUp, Since = group.Key.Since,
        })];

        string Unique(string name)
        {
            names[name] = names.GetValueOrDefault(name) + 1;
            return names[name] == 1 ? name : string.Create(CultureInfo.InvariantCulture, $"{name} ({names[name]})");
        }
    }

    private static HashSet<string> NamesOf(Rule rule, ModuleTree tree)
    {
        var selected = rule.Selector.Require(tree.Selection).Tensors;
        var names = tree.Tensors.Where(entry => entry.Kind == NodeKind.Parameter && selected.Contains(entry.Name))
            .Select(entry => entry.AliasOf ?? entry.Name).ToHashSet(StringComparer.Ordinal);
        return names.Count > 0 ? names : throw new FrostlineException($"the group \"{rule.Selector}\" has no parameter; choose something else or take it away");
    }

    private GroupKey KeyOf(TrainedParameter parameter, List<(Rule Rule, HashSet<string> Names)> rules, Func<string, double> depth)
    {
        double rate = 1;
        double? decay = _spared && parameter.Parameter.dim() <= 1 ? 0 : null;
        LearningRateSchedule? schedule = null;
        foreach (var (rule, names) in rules)
        {
            if (!names.Contains(parameter.Name)) continue;
            rate = rule.LearningRate ?? rate;
            decay = rule.WeightDecay ?? decay;
            schedule = rule.Schedule ?? schedule;
        }

        var since = parameter.WarmUp > 0 ? parameter.Since : 0;
        return new GroupKey(parameter.LearningRateMultiplier * depth(parameter.Name) * rate, decay, schedule, parameter.WarmUp, since);
    }

    private Func<string, double> StageFactors(ModuleTree tree)
    {
        if (_layerDecay is not { } factor) return _ => 1;
        var stages = tree.Selection.Stages;
        if (stages.Count == 0) throw new FrostlineException("a layer decay goes by stages, and the network has none; set learning rates by selectors");
        var places = stages.Select((stage, i) => (stage, i)).ToDictionary(pair => pair.stage, pair => pair.i, StringComparer.Ordinal);
        return name => Math.Pow(factor, stages.Count - 1 - places[tree.Find(name)!.Stage!]);
    }

    private sealed record Rule(Selector Selector, double? LearningRate, double? WeightDecay, LearningRateSchedule? Schedule);

    private sealed record GroupKey(double Multiplier, double? WeightDecay, LearningRateSchedule? Schedule, double WarmUp, double Since)
    {
        internal string ShortName => string.Create(CultureInfo.InvariantCulture, $"{Multiplier:0.######}x");

        internal string LongName => ShortName
            + (WeightDecay is { } decay ? string.Create(CultureInfo.InvariantCulture, $", decay {decay:R}") : "")
            + (Schedule is CosineSchedule { Until: { } until } ? string.Create(CultureInfo.InvariantCulture, $", {Schedule.Name} until {until:R}") : Schedule is null ? "" : $", {Schedule.Name}")
            + (WarmUp > 0 ? string.Create(CultureInfo.InvariantCulture, $", warm-up {WarmUp:R} from {Since:R}") : "");
    }
}
