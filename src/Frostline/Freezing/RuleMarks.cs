using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>
/// For every name, which rule has the last word about each of the separate things. A rule of -1 is the default.
/// </summary>
internal sealed class RuleMarks
{
    private static readonly ParameterMark s_parameterDefault = new(-1, Trained: true, 1, 0);

    private readonly Dictionary<string, ParameterMark> _parameters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, NormMark> _norms = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DropoutMark> _dropouts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, BufferMark> _buffers = new(StringComparer.Ordinal);

    /// <summary>Buffers that no rule can let change: those of a <see cref="FrozenBatchNorm"/>.</summary>
    private readonly HashSet<string> _unchanging = new(StringComparer.Ordinal);

    /// <summary>For modules of any type, whether the last rule with a word about dropout turned it off.</summary>
    private readonly Dictionary<string, bool> _dropoutOff = new(StringComparer.Ordinal);

    /// <summary>Norms that lie within a rule that only froze parameters, though they may have none.</summary>
    private readonly Dictionary<string, bool> _parametersFrozenAround = new(StringComparer.Ordinal);

    private readonly ModuleTree _tree;

    private RuleMarks(ModuleTree tree)
    {
        _tree = tree;
        foreach (var entry in tree.Tensors.Where(entry => entry.Kind == NodeKind.Parameter))
        {
            // Integers have no gradient.
            _parameters[entry.Name] = entry.Tensor.is_floating_point() || entry.Tensor.is_complex() ? s_parameterDefault : s_parameterDefault with { Trained = false };
        }

        foreach (var entry in tree.Modules)
        {
            if (ModuleTypes.HasStatistics(entry.Module)) _norms[entry.Name] = new NormMark(-1, NormPolicy.Move);
            if (ModuleTypes.IsRandom(entry.Module)) _dropouts[entry.Name] = new DropoutMark(-1, Active: true);
        }

        var unchanging = tree.Modules.Where(entry => entry.Module is FrozenBatchNorm).Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var entry in tree.Tensors.Where(entry => entry.Kind == NodeKind.Buffer && OwnerNorm(entry) is null))
        {
            if (unchanging.Contains(entry.Owner)) _unchanging.Add(entry.Name);
            _buffers[entry.Name] = new BufferMark(-1, unchanging.Contains(entry.Owner));
        }
    }

    internal ParameterMark Parameter(TensorEntry entry) => _parameters[entry.Name];

    internal NormMark? Norm(ModuleEntry entry) => _norms.TryGetValue(entry.Name, out var mark) ? mark : null;

    internal DropoutMark? Dropout(ModuleEntry entry) => _dropouts.TryGetValue(entry.Name, out var mark) ? mark : null;

    internal bool DropoutOff(ModuleEntry entry) => _dropoutOff.GetValueOrDefault(entry.Name);

    internal bool BufferHeld(TensorEntry entry) => _buffers.TryGetValue(entry.Name, out var mark) && mark.Held;

    /// <summary>The mark of the norm whose statistics the buffer is one of; null for any other buffer.</summary>
    internal NormMark? OwnerNorm(TensorEntry entry) =>
        ModuleTypes.IsStatistic(LocalName(entry)) && _norms.TryGetValue(entry.Owner, out var mark) ? mark : null;

    /// <summary>Whether a norm's parameters are all frozen, or, where it has none, whether a rule froze the parameters around it.</summary>
    internal bool ParametersFrozenAround(TensorEntry statistic)
    {
        var own = _tree.Tensors.Where(entry => entry.Kind == NodeKind.Parameter && entry.Owner == statistic.Owner).ToList();
        return own.Count > 0 ? own.TrueForAll(entry => !_parameters[entry.Name].Trained) : _parametersFrozenAround.GetValueOrDefault(statistic.Owner);
    }

    /// <summary>Applies all rules in order and refuses those that match nothing.</summary>
    internal static RuleMarks Of(ModuleTree tree, FreezePlan plan)
    {
        var marks = new RuleMarks(tree);
        for (var i = 0; i < plan.RuleList.Count; i++) marks.Apply(i, plan.RuleList[i]);
        return marks;
    }

    /// <summary>The places of the rules that have the last word about something.</summary>
    internal IReadOnlySet<int> Effective => _parameters.Values.Select(mark => mark.Rule)
        .Concat(_norms.Values.Select(mark => mark.Rule))
        .Concat(_dropouts.Values.Select(mark => mark.Rule))
        .Concat(_buffers.Values.Select(mark => mark.Rule))
        .ToHashSet();

    private void Apply(int index, FreezePlanRule rule)
    {
        var selection = rule.Selector.Require(_tree.Selection);
        var touched = 0;
        foreach (var entry in _tree.Tensors.Where(entry => selection.Tensors.Contains(entry.Name)))
        {
            if (entry.Kind == NodeKind.Parameter && rule.Settings.Trained is { } trained)
            {
                RefuseInteger(entry, rule);
                _parameters[entry.Name] = new ParameterMark(index, trained, rule.Settings.LearningRate, rule.Settings.WarmUp);
                touched++;
            }

            if (rule.Settings.BuffersHeld is { } held && _buffers.ContainsKey(entry.Name) && (held || !_unchanging.Contains(entry.Name)))
            {
                _buffers[entry.Name] = new BufferMark(index, held);
                touched++;
            }
        }

        var owners = _tree.Tensors.Where(entry => OwnerNorm(entry) is not null && selection.Tensors.Contains(entry.Name)).Select(entry => entry.Owner);
        foreach (var name in selection.Modules.Concat(owners).Distinct(StringComparer.Ordinal))
        {
            if (rule.Settings.Norm is { } policy && _norms.ContainsKey(name))
            {
                _norms[name] = new NormMark(index, policy);
                touched++;
            }

            if (rule.Settings.Trained is { } trained) _parametersFrozenAround[name] = !trained;
            if (rule.Settings.Dropout is not { } active) continue;
            _dropoutOff[name] = !active;
            if (!_dropouts.ContainsKey(name)) continue;
            _dropouts[name] = new DropoutMark(index, active);
            touched++;
        }

        if (touched == 0) throw new FreezeException($"the rule {rule.Text} matches {Nothing(rule)}; choose something else or take the rule away");
    }

    private static void RefuseInteger(TensorEntry entry, FreezePlanRule rule)
    {
        if (rule.Settings.Trained == true && !entry.Tensor.is_floating_point() && !entry.Tensor.is_complex())
            throw new FreezeException($"the rule {rule.Text} trains \"{entry.Name}\", whose type {entry.Tensor.dtype} has no gradient; exclude it");
    }

    private static string Nothing(FreezePlanRule rule) => rule.Settings switch
    {
        { Trained: null, Norm: not null } => "no norm with running statistics",
        { Trained: null } => "no dropout",
        { Norm: null } => "no parameter",
        _ => "nothing that can be frozen or trained",
    };

    private static string LocalName(TensorEntry entry) => entry.Owner.Length == 0 ? entry.Name : entry.Name[(entry.Owner.Length + 1)..];

    internal readonly record struct ParameterMark(int Rule, bool Trained, double LearningRate, double WarmUp);

    internal readonly record struct NormMark(int Rule, NormPolicy Policy);

    internal readonly record struct DropoutMark(int Rule, bool Active);

    private readonly record struct BufferMark(int Rule, bool Held);
}
