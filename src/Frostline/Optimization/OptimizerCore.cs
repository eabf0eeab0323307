using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Optimization;

/// <summary>
/// The arithmetic of a <see cref="NamedOptimizer"/>, and its state by parameter, in the order of the groups' parameters.
/// The formulas and their order of operations are those of <c>torch.optim</c>.
/// </summary>
/// <remarks>
/// TorchSharp's own optimizers are not used: inside their steps they hand libtorch numbers that the garbage collector may free
/// during the call (docs/native.md), which ends a training or, worse, changes its numbers. Here every number is held until
/// the call has returned.
/// </remarks>
internal abstract class OptimizerCore : IDisposable
{
    /// <summary>The part that is a counter: an int64 scalar, whatever the parameter's shape.</summary>
    public const string StepPart = "step";

    private readonly double[] _rates;
    private readonly List<(Parameter Parameter, int Group, double Decay)> _parameters = [];

    protected OptimizerCore(OptimizerSettings settings, IReadOnlyList<OptimizerGroup> groups)
    {
        _rates = [.. groups.Select(group => settings.LearningRate * group.Multiplier)];
        for (var i = 0; i < groups.Count; i++)
        {
            var decay = groups[i].WeightDecay ?? settings.DefaultWeightDecay;
            _parameters.AddRange(groups[i].Parameters.Select(named => (named.Parameter, i, decay)));
        }
    }

    /// <summary>The parts that a state can have.</summary>
    public abstract IReadOnlyList<string> Parts { get; }

    /// <summary>The parameters, group by group.</summary>
    protected IEnumerable<Parameter> Parameters => _parameters.Select(p => p.Parameter);

    /// <summary>Changes every parameter that has a gradient.</summary>
    public void Step()
    {
        using var noGrad = torch.no_grad();
        for (var i = 0; i < _parameters.Count; i++)
        {
            using var scope = torch.NewDisposeScope();
            var (parameter, group, decay) = _parameters[i];
            if (parameter.grad is { } gradient) Update(i, parameter, gradient, _rates[group], decay);
        }
    }

    public void SetLearningRate(int group, double rate) => _rates[group] = rate;

    /// <summary>
    /// The parts of a parameter's state that exist; step counters are new tensors in the caller's dispose scope.
    /// </summary>
    public abstract IEnumerable<(string Part, torch.Tensor Tensor)> Read(int index);

    /// <summary>Replaces a parameter's state by the given parts; all empty means as at the start.</summary>
    public abstract void Write(int index, IReadOnlyDictionary<string, torch.Tensor> parts);

    public abstract void Dispose();

    /// <summary>Changes one parameter, without gradient recording and in a dispose scope.</summary>
    protected abstract void Update(int index, Parameter parameter, torch.Tensor gradient, double rate, double decay);

    /// <summary>The gradient plus a weight decay's part of the parameter (L2).</summary>
    protected static torch.Tensor Decayed(torch.Tensor gradient, Parameter parameter, double decay)
    {
        if (decay == 0) return gradient;
        using Scalar factor = decay;
        return gradient.add(parameter, factor);
    }
}

/// <summary>Stochastic gradient descent as <c>torch.optim.SGD</c>.</summary>
internal sealed class SgdCore : OptimizerCore
{
    private const string Momentum = "momentum_buffer";

    private readonly SgdSettings _settings;
    private readonly (Parameter Parameter, torch.Tensor? Buffer)[] _states;

    public SgdCore(SgdSettings settings, IReadOnlyList<OptimizerGroup> groups)
        : base(settings, groups)
    {
        _settings = settings;
        _states = [.. Parameters.Select(parameter => (parameter, (torch.Tensor?)null))];
    }

    public override IReadOnlyList<string> Parts => [Momentum];

    public override IEnumerable<(string Part, torch.Tensor Tensor)> Read(int index)
    {
        if (_states[index].Buffer is { } buffer) yield return (Momentum, buffer);
    }

    public override void Write(int index, IReadOnlyDictionary<string, torch.Tensor> parts)
    {
        using var noGrad = torch.no_grad();
        ref var state = ref _states[index];
        state.Buffer?.Dispose();
        state.Buffer = parts.TryGetValue(Momentum, out var saved)
            ? saved.to(state.Parameter.device, copy: true).DetachFromDisposeScope()
            : null;
    }

    public override void Dispose()
    {
        foreach (var (_, buffer) in _states) buffer?.Dispose();
    }

    protected override void Update(int index, Parameter parameter, torch.Tensor gradient, double rate, double decay)
    {
        gradient = Decayed(gradient, parameter, decay);
        if (_settings.Momentum != 0)
        {
            using Scalar momentum = _settings.Momentum;
            var buffer = Accumulate(ref _states[index].Buffer, gradient, momentum);
            gradient = _settings.Nesterov ? gradient.add(buffer, momentum) : buffer;
        }

        using Scalar step = -rate;
        parameter.add_(gradient, step);
    }

    /// <summary>The first gradient begins the momentum as it is, undampened.</summary>
    private torch.Tensor Accumulate(ref torch.Tensor? buffer, torch.Tensor gradient, Scalar momentum)
    {
        if (buffer is null) return buffer = gradient.clone().DetachFromDisposeScope();
        using Scalar share = 1 - _settings.Dampening;
        return buffer.mul_(momentum).add_(gradient, share);
    }
}

/// <summary>
/// Adam and AdamW as <c>torch.optim.Adam</c> and <c>torch.optim.AdamW</c>, which differ in where the decay goes.
/// </summary>
internal sealed class AdaptiveCore : OptimizerCore
{
    private const string Mean = "exp_avg", Square = "exp_avg_sq", Largest = "max_exp_avg_sq";

    private readonly AdaptiveSettings _settings;
    private readonly bool _decoupled;
    private readonly List<State> _states;

    /// <summary>Creates it.</summary>
    /// <param name="settings">Its numbers.</param>
    /// <param name="groups">Its parameters.</param>
    /// <param name="decoupled">Whether the decay shrinks the parameter (AdamW), or is added to the gradient (Adam).</param>
    public AdaptiveCore(AdaptiveSettings settings, IReadOnlyList<OptimizerGroup> groups, bool decoupled)
        : base(settings, groups)
    {
        (_settings, _decoupled) = (settings, decoupled);
        using var noGrad = torch.no_grad();
        _states = [.. Parameters.Select(parameter => new State(parameter, settings.AmsGrad))];
    }

    public override IReadOnlyList<string> Parts => [StepPart, Mean, Square, Largest];

    public override IEnumerable<(string Part, torch.Tensor Tensor)> Read(int index)
    {
        var state = _states[index];
        yield return (StepPart, torch.tensor(state.Step, torch.int64));
        yield return (Mean, state.Mean);
        yield return (Square, state.Square);
        if (state.Largest is { } largest) yield return (Largest, largest);
    }

    public override void Write(int index, IReadOnlyDictionary<string, torch.Tensor> parts)
    {
        using var noGrad = torch.no_grad();
        var state = _states[index];
        state.Step = parts.TryGetValue(StepPart, out var saved) ? saved.item<long>() : 0;
        Fill(state.Mean, Mean);
        Fill(state.Square, Square);
        if (state.Largest is { } largest) Fill(largest, Largest);

        void Fill(torch.Tensor target, string part)
        {
            if (parts.TryGetValue(part, out var tensor)) target.copy_(tensor);
            else target.zero_();
        }
    }

    public override void Dispose()
    {
        foreach (var state in _states)
        {
            state.Mean.Dispose();
            state.Square.Dispose();
            state.Largest?.Dispose();
        }
    }

    protected override void Update(int index, Parameter parameter, torch.Tensor gradient, double rate, double decay)
    {
        var state = _states[index];
        state.Step++;
        if (_decoupled) Shrink(parameter, 1 - (rate * decay));
        else gradient = Decayed(gradient, parameter, decay);

        using Scalar beta1 = _settings.Beta1, share1 = 1 - _settings.Beta1;
        using Scalar beta2 = _settings.Beta2, share2 = 1 - _settings.Beta2;
        state.Mean.mul_(beta1).add_(gradient, share1);
        state.Square.mul_(beta2).addcmul_(gradient, gradient, share2);
        if (state.Largest is { } largest) largest.copy_(torch.maximum(largest, state.Square));

        using Scalar correction = Math.Sqrt(1 - Math.Pow(_settings.Beta2, state.Step)), epsilon = _settings.Epsilon, one = 1;
        var denominator = (state.Largest ?? state.Square).sqrt().div_(correction).add_(epsilon, one);
        using Scalar step = -(rate / (1 - Math.Pow(_settings.Beta1, state.Step)));
        parameter.addcdiv_(state.Mean, denominator, step);
    }

    private static void Shrink(Parameter parameter, double by)
    {
        using Scalar factor = by;
        parameter.mul_(factor);
    }

    private sealed class State(Parameter parameter, bool amsGrad)
    {
        public long Step { get; set; }

        public torch.Tensor Mean { get; } = Zeros(parameter);

        public torch.Tensor Square { get; } = Zeros(parameter);

        public torch.Tensor? Largest { get; } = amsGrad ? Zeros(parameter) : null;

        /// <summary>Zeros that no dispose scope owns.</summary>
        private static torch.Tensor Zeros(Parameter parameter) => torch.zeros_like(parameter).DetachFromDisposeScope();
    }
}
