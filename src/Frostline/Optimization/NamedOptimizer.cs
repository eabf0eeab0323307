using System.Diagnostics.CodeAnalysis;
using Frostline.Freezing;
using TorchSharp;

namespace Frostline.Optimization;

/// <summary>
/// Optimizes an explicit list of named parameters. Its state goes out and comes back by parameter name, so
/// it survives another order, another grouping and another set of parameters.
/// </summary>
/// <remarks>
/// Only what it was given is ever changed by <see cref="Step"/>. Build it after <c>module.to(...)</c>, which replaces parameter
/// objects; a stale one is an error. Not thread-safe.
/// </remarks>
public sealed class NamedOptimizer : IDisposable
{
    private OptimizerCore _core;
    private double _learningRate;
    private double[] _rates;
    private Action? _onDispose;

    /// <summary>Creates an optimizer.</summary>
    /// <param name="settings">Which optimizer, with all its numbers.</param>
    /// <param name="groups">The parameters; at least one in all.</param>
    /// <exception cref="FrostlineException">
    /// A number is out of range, there is no parameter, a parameter is given twice (by name or as the same object under two
    /// names), was disposed, or does not require a gradient.
    /// </exception>
    public NamedOptimizer(OptimizerSettings settings, IEnumerable<OptimizerGroup> groups)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(groups);
        settings.Validate();
        Settings = settings;
        Groups = Copy(groups);
        Parameters = [.. Groups.SelectMany(g => g.Parameters)];
        RefuseUnusable(Parameters);
        RefuseFrozen(Parameters);
        _core = settings.CreateCore(Groups);
        _learningRate = settings.LearningRate;
        _rates = RatesOf(Groups);
    }

    /// <summary>Which optimizer, with all its numbers.</summary>
    public OptimizerSettings Settings { get; }

    /// <summary>The groups, in the order given.</summary>
    public IReadOnlyList<OptimizerGroup> Groups { get; private set; }

    /// <summary>All parameters, group by group.</summary>
    public IReadOnlyList<NamedParameter> Parameters { get; private set; }

    /// <summary>The base learning rate. Setting it sets every group's rate to it times the group's multiplier.</summary>
    public double LearningRate
    {
        get => _learningRate;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _learningRate = value;
            SetRates(RatesOf(Groups));
        }
    }

    /// <summary>The current learning rate of each group, by the group's name.</summary>
    public IReadOnlyDictionary<string, double> LearningRates
    {
        get
        {
            var rates = new Dictionary<string, double>(StringComparer.Ordinal);
            for (var i = 0; i < Groups.Count; i++) rates[Groups[i].Name] = _rates[i];
            return rates;
        }
    }

    /// <summary>
    /// Sets the learning rates of a step: for each group the settings' rate, times its multiplier, its own schedule or that of the
    /// training, and its warm-up.
    /// </summary>
    /// <param name="schedule">The training's schedule.</param>
    /// <param name="position">The step.</param>
    /// <param name="state">The schedule's state; null, the default, for that of the beginning.</param>
    public void SetLearningRates(LearningRateSchedule schedule, SchedulePosition position, ScheduleState? state = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        state ??= new ScheduleState();
        _learningRate = Settings.LearningRate * schedule.FactorAt(position, state);
        SetRates([.. Groups.Select(group => group.RateAt(Settings.LearningRate, schedule, position, state))]);
    }

    /// <summary>
    /// Goes over to other groups. A parameter that stays keeps its state, bit for bit; one that comes starts afresh; the state of one that
    /// goes is thrown away, so that it starts afresh should it come back.
    /// </summary>
    /// <param name="groups">The groups; at least one parameter in all.</param>
    /// <returns>What stayed, came and went.</returns>
    /// <exception cref="FrostlineException">As of the constructor; nothing is changed then.</exception>
    public OptimizerRestoreReport Regroup(IEnumerable<OptimizerGroup> groups)
    {
        ArgumentNullException.ThrowIfNull(groups);
        var copy = Copy(groups);
        RefuseFrozen([.. copy.SelectMany(group => group.Parameters)]);
        return PrepareRegroup(copy)();
    }

    /// <summary>Takes the gradients away, so that a parameter without a new gradient is left alone by the next step.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, parameter) in Parameters) parameter.grad = null;
    }

    /// <summary>Changes every parameter that has a gradient.</summary>
    /// <exception cref="FrostlineException">A parameter was disposed since the optimizer was built.</exception>
    public void Step()
    {
        RefuseDisposed(Parameters);
        _core.Step();
    }

    /// <summary>Checks that the optimizer's parameters are still the network's.</summary>
    /// <param name="network">The network whose parameters were given.</param>
    /// <exception cref="FrostlineException">A parameter is no longer the one of that name in the network.</exception>
    public void Verify(torch.nn.Module network)
    {
        ArgumentNullException.ThrowIfNull(network);
        var current = network.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        foreach (var (name, parameter) in Parameters)
        {
            if (!current.TryGetValue(name, out var now) || !ReferenceEquals(now, parameter))
                throw new FrostlineException(
                    $"the optimizer holds another \"{name}\" than the network has; build it after to() and other replacements");
        }
    }

    /// <summary>
    /// The whole state as named tensors, <c>&lt;parameter&gt;.&lt;part&gt;</c>, for example <c>fc.weight.exp_avg</c>; step
    /// counters are int64 scalars. Parts that do not exist yet (the momentum before the first step) are absent.
    /// </summary>
    /// <returns>The live tensors: copy or write them before the next step. Counters belong to the caller's dispose
    /// scope.</returns>
    public IReadOnlyList<NamedTensor> State()
    {
        var result = new List<NamedTensor>();
        for (var i = 0; i < Parameters.Count; i++)
            result.AddRange(_core.Read(i).Select(part => new NamedTensor($"{Parameters[i].Name}.{part.Part}", part.Tensor)));
        return result;
    }

    /// <summary>Takes over a state that <see cref="State"/> gave, bit for bit; values are copied.</summary>
    /// <param name="saved">The tensors by name.</param>
    /// <returns>What was restored, what starts fresh, and what is no longer trained.</returns>
    /// <exception cref="FrostlineException">
    /// A saved tensor has another shape or type than the parameter; nothing is changed then.
    /// </exception>
    public OptimizerRestoreReport Restore(IReadOnlyDictionary<string, torch.Tensor> saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        var byParameter = Parameters.Select(PartsOf).ToList();
        for (var i = 0; i < Parameters.Count; i++) _core.Write(i, byParameter[i]);

        var known = Parameters.SelectMany(p => _core.Parts.Select(part => $"{p.Name}.{part}")).ToHashSet(StringComparer.Ordinal);
        return new OptimizerRestoreReport(
            [.. Parameters.Where((_, i) => byParameter[i].Count > 0).Select(p => p.Name)],
            [.. Parameters.Where((_, i) => byParameter[i].Count == 0).Select(p => p.Name)],
            [.. saved.Keys.Where(name => !known.Contains(name))]);

        Dictionary<string, torch.Tensor> PartsOf(NamedParameter named)
        {
            var parts = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
            foreach (var part in _core.Parts)
            {
                if (!saved.TryGetValue($"{named.Name}.{part}", out var tensor)) continue;
                if (!string.Equals(part, OptimizerCore.StepPart, StringComparison.Ordinal)) RefuseUnequal(named, part, tensor);
                parts[part] = tensor;
            }

            return parts;
        }
    }

    /// <summary>Frees the state; the parameters stay.</summary>
    public void Dispose()
    {
        _onDispose?.Invoke();
        _onDispose = null;
        _core.Dispose();
    }

    /// <summary>Has the groups follow a plan, until the optimizer is disposed.</summary>
    internal NamedOptimizer Following(FrozenModel frozen, Func<IReadOnlyList<TrainedParameter>, IReadOnlyList<OptimizerGroup>> groupsOf)
    {
        _onDispose = frozen.Follow(trained =>
        {
            var commit = PrepareRegroup(Copy(groupsOf(trained)));
            return () => commit();
        });
        return this;
    }

    /// <summary>Does all of a change of groups that can fail; the rest is what is returned.</summary>
    private Func<OptimizerRestoreReport> PrepareRegroup(IReadOnlyList<OptimizerGroup> groups)
    {
        IReadOnlyList<NamedParameter> parameters = [.. groups.SelectMany(group => group.Parameters)];
        RefuseUnusable(parameters);
        // Their state belongs to what they were before a to().
        RefuseDisposed(Parameters);
        return () =>
        {
            using var scope = torch.NewDisposeScope();
            var state = State().ToDictionary(part => part.Name, part => part.Tensor, StringComparer.Ordinal);
            var former = _core;
            (Groups, Parameters, _core) = (groups, parameters, Settings.CreateCore(groups));
            var report = Restore(state);
            former.Dispose();
            SetRates(RatesOf(groups));
            return report;
        };
    }

    private double[] RatesOf(IReadOnlyList<OptimizerGroup> groups) => [.. groups.Select(group => _learningRate * group.Multiplier)];

    [MemberNotNull(nameof(_rates))]
    private void SetRates(double[] rates)
    {
        _rates = rates;
        for (var i = 0; i < rates.Length; i++) _core.SetLearningRate(i, rates[i]);
    }

    private static List<OptimizerGroup> Copy(IEnumerable<OptimizerGroup> groups) => [.. groups.Select(group => group with { Parameters = [.. group.Parameters] })];

    private static void RefuseUnequal(NamedParameter named, string part, torch.Tensor saved)
    {
        if (!saved.shape.SequenceEqual(named.Parameter.shape) || saved.dtype != named.Parameter.dtype)
        {
            throw new FrostlineException(
                $"the saved {part} of \"{named.Name}\" is {saved.dtype} [{string.Join(", ", saved.shape)}], the parameter "
                    + $"{named.Parameter.dtype} [{string.Join(", ", named.Parameter.shape)}]; it is the state of another network");
        }
    }

    private static void RefuseUnusable(IReadOnlyList<NamedParameter> parameters)
    {
        if (parameters.Count == 0) throw new FrostlineException("there is nothing to train: the optimizer got no parameter");
        RefuseDisposed(parameters);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var owners = new Dictionary<nint, string>();
        foreach (var (name, parameter) in parameters)
        {
            if (!names.Add(name))
                throw new FrostlineException($"the optimizer got \"{name}\" twice; put each parameter into one group");
            if (!owners.TryAdd(parameter.Handle, name))
                throw new FrostlineException(
                    $"\"{owners[parameter.Handle]}\" and \"{name}\" are one parameter under two names; give the optimizer one "
                        + "of them");
        }
    }

    private static void RefuseFrozen(IReadOnlyList<NamedParameter> parameters)
    {
        foreach (var (name, parameter) in parameters)
        {
            if (!parameter.requires_grad)
                throw new FrostlineException(
                    $"\"{name}\" is frozen (it requires no gradient); give the optimizer only trained parameters");
        }
    }

    private static void RefuseDisposed(IReadOnlyList<NamedParameter> parameters)
    {
        foreach (var (name, parameter) in parameters)
        {
            if (parameter.IsInvalid)
                throw new FrostlineException(
                    $"the optimizer's \"{name}\" was disposed or replaced; build the optimizer after to() and other "
                        + "replacements");
        }
    }
}

/// <summary>What became of a saved optimizer state.</summary>
/// <param name="Restored">Parameters that go on with their saved state.</param>
/// <param name="Fresh">Parameters without a saved state; they start as at the first step.</param>
/// <param name="Dropped">Saved tensors, <c>&lt;parameter&gt;.&lt;part&gt;</c>, that nothing trained has a use for.</param>
public sealed record OptimizerRestoreReport(
    IReadOnlyList<string> Restored, IReadOnlyList<string> Fresh, IReadOnlyList<string> Dropped);
