using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Optimization;

/// <summary>
/// The torch optimizer of a <see cref="NamedOptimizer"/>, and how its state reads by parameter. Torch keeps state by position
/// and hands it out in that order; here the parts of one parameter's state have names.
/// </summary>
internal abstract class OptimizerCore : IDisposable
{
    /// <summary>The part that is a counter: an int64 scalar, whatever the parameter's shape.</summary>
    public const string StepPart = "step";

    private readonly OptimizerHelper _torch;

    protected OptimizerCore(OptimizerHelper torchOptimizer) => _torch = torchOptimizer;

    public void Step() => _torch.step();

    public void SetLearningRate(int group, double rate) => _torch.ParamGroups.ElementAt(group).LearningRate = rate;

    /// <summary>The states in the order of the groups' parameters.</summary>
    public IReadOnlyList<OptimizerState> States => _torch.state_dict().State;

    /// <summary>The parts of a state that exist; step counters are new tensors in the caller's dispose scope.</summary>
    public abstract IEnumerable<(string Part, torch.Tensor Tensor)> Read(OptimizerState state);

    /// <summary>Replaces a state by the given parts; all empty means as at the start.</summary>
    public abstract void Write(OptimizerState state, Parameter parameter, IReadOnlyDictionary<string, torch.Tensor> parts);

    /// <summary>The parts that a state can have.</summary>
    public abstract IReadOnlyList<string> Parts { get; }

    public void Dispose() => _torch.Dispose();

    protected static IEnumerable<TGroup> Groups<TGroup>(
        OptimizerSettings settings,
        IReadOnlyList<OptimizerGroup> groups,
        Func<IReadOnlyList<Parameter>, double, double, TGroup> create) =>
        groups.Select(group => create(
            [.. group.Parameters.Select(p => p.Parameter)],
            settings.LearningRate * group.Multiplier,
            group.WeightDecay ?? settings.DefaultWeightDecay)).ToList();

    /// <summary>A copy that no dispose scope owns, on the parameter's device.</summary>
    protected static torch.Tensor Keep(torch.Tensor saved, Parameter parameter)
    {
        using var noGrad = torch.no_grad();
        return saved.to(parameter.device, copy: true).DetachFromDisposeScope();
    }
}

internal sealed class SgdCore(
    SgdSettings settings, IReadOnlyList<OptimizerGroup> groups) : OptimizerCore(Create(settings, groups))
{
    private const string Momentum = "momentum_buffer";

    public override IReadOnlyList<string> Parts => [Momentum];

    private static SGD Create(SgdSettings settings, IReadOnlyList<OptimizerGroup> groups) =>
        new(
            Groups(settings, groups, (parameters, rate, decay) =>
                new SGD.ParamGroup(parameters, new SGD.Options { LearningRate = rate, weight_decay = decay })),
            settings.LearningRate, settings.Momentum, settings.Dampening, settings.WeightDecay, settings.Nesterov);

    public override IEnumerable<(string Part, torch.Tensor Tensor)> Read(OptimizerState state)
    {
        if (((SGD.State)state).momentum_buffer is { } buffer) yield return (Momentum, buffer);
    }

    public override void Write(OptimizerState state, Parameter parameter, IReadOnlyDictionary<string, torch.Tensor> parts)
    {
        var own = (SGD.State)state;
        own.momentum_buffer?.Dispose();
        own.momentum_buffer = parts.TryGetValue(Momentum, out var saved) ? Keep(saved, parameter) : null;
    }
}

internal sealed class AdamCore(
    AdamSettings settings, IReadOnlyList<OptimizerGroup> groups) : OptimizerCore(Create(settings, groups))
{
    public override IReadOnlyList<string> Parts => AdaptiveParts.Names;

    private static Adam Create(AdamSettings settings, IReadOnlyList<OptimizerGroup> groups) =>
        new(
            Groups(settings, groups, (parameters, rate, decay) =>
                new Adam.ParamGroup(parameters, new Adam.Options { LearningRate = rate, weight_decay = decay })),
            settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay, settings.AmsGrad);

    public override IEnumerable<(string Part, torch.Tensor Tensor)> Read(OptimizerState state)
    {
        var own = (Adam.State)state;
        return AdaptiveParts.Read(own.step, own.exp_avg, own.exp_avg_sq, own.max_exp_avg_sq);
    }

    public override void Write(OptimizerState state, Parameter parameter, IReadOnlyDictionary<string, torch.Tensor> parts)
    {
        var own = (Adam.State)state;
        AdaptiveParts.Write(parts, ref own.step, own.exp_avg, own.exp_avg_sq, own.max_exp_avg_sq);
    }
}

internal sealed class AdamWCore(
    AdamWSettings settings, IReadOnlyList<OptimizerGroup> groups) : OptimizerCore(Create(settings, groups))
{
    public override IReadOnlyList<string> Parts => AdaptiveParts.Names;

    private static AdamW Create(AdamWSettings settings, IReadOnlyList<OptimizerGroup> groups) =>
        new(
            Groups(settings, groups, (parameters, rate, decay) =>
                new AdamW.ParamGroup(parameters, new AdamW.Options { LearningRate = rate, weight_decay = decay })),
            settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay, settings.AmsGrad);

    public override IEnumerable<(string Part, torch.Tensor Tensor)> Read(OptimizerState state)
    {
        var own = (AdamW.State)state;
        return AdaptiveParts.Read(own.step, own.exp_avg, own.exp_avg_sq, own.max_exp_avg_sq);
    }

    public override void Write(OptimizerState state, Parameter parameter, IReadOnlyDictionary<string, torch.Tensor> parts)
    {
        var own = (AdamW.State)state;
        AdaptiveParts.Write(parts, ref own.step, own.exp_avg, own.exp_avg_sq, own.max_exp_avg_sq);
    }
}

/// <summary>The state of Adam and AdamW, whose classes in TorchSharp are alike and unrelated.</summary>
internal static class AdaptiveParts
{
    private const string Step = OptimizerCore.StepPart, Mean = "exp_avg", Square = "exp_avg_sq", Largest = "max_exp_avg_sq";

    public static readonly IReadOnlyList<string> Names = [Step, Mean, Square, Largest];

    public static IEnumerable<(string Part, torch.Tensor Tensor)> Read(
        long step, torch.Tensor mean, torch.Tensor square, torch.Tensor? largest)
    {
        yield return (Step, torch.tensor(step, torch.int64));
        yield return (Mean, mean);
        yield return (Square, square);
        if (largest is not null) yield return (Largest, largest);
    }

    public static void Write(
        IReadOnlyDictionary<string, torch.Tensor> parts,
        ref long step,
        torch.Tensor mean,
        torch.Tensor square,
        torch.Tensor? largest)
    {
        using var noGrad = torch.no_grad();
        step = parts.TryGetValue(Step, out var saved) ? saved.item<long>() : 0;
        Fill(mean, Mean, parts);
        Fill(square, Square, parts);
        if (largest is not null) Fill(largest, Largest, parts);
    }

    private static void Fill(torch.Tensor target, string part, IReadOnlyDictionary<string, torch.Tensor> parts)
    {
        if (parts.TryGetValue(part, out var saved)) target.copy_(saved);
        else target.zero_();
    }
}
