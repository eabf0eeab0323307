using Frostline.Checkpoints;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>The policies of a <c>Load</c> rule, resolved on a network.</summary>
internal sealed class LoadPolicies
{
    private readonly string _rule;
    private readonly LoadOptions _options;
    private readonly Policy _skip, _head, _firstConv, _interpolate, _narrow, _widen, _inflate;
    private readonly Dictionary<PlannedTensor, Policy> _owners = new(ReferenceEqualityComparer.Instance);
    private readonly SelectionTree _modules;

    /// <exception cref="FrostlineException">
    /// A selector selects nothing of what the rule loads into, or a tensor has two policies.
    /// </exception>
    public LoadPolicies(string rule, PlannedNetwork network, IReadOnlySet<PlannedTensor> selected, LoadOptions options)
    {
        (_rule, _options) = (rule, options);
        _skip = Resolve("skip", options.Skip);
        _head = Resolve("head", options.Head);
        _firstConv = Resolve("first-conv", options.FirstConv?.Of);
        _interpolate = Resolve("interpolate", options.Interpolate?.Of);
        _narrow = Resolve("narrow", options.Narrow?.Of);
        _widen = Resolve("widen", options.Widen);
        _inflate = Resolve("inflate", options.Inflate);
        _modules = network.Tree.Selection;
        foreach (var policy in All)
            foreach (var tensor in policy.Tensors)
                if (!_owners.TryAdd(tensor, policy))
                    throw new InitializationException($"{rule}: {tensor.Name} is in {_owners[tensor]} and in {policy}; give it one policy");

        Policy Resolve(string name, string? selector)
        {
            if (selector is null) return new Policy(name, "", []);
            var tensors = network.Select(rule, Selector.Parse(selector)).Where(selected.Contains).ToHashSet();
            return tensors.Count > 0 ? new Policy(name, selector, tensors) : throw new InitializationException(
                $"{rule}: {name} \"{selector}\" selects nothing of what the rule loads into; widen into, or remove the policy");
        }
    }

    private Policy[] All => [_skip, _head, _firstConv, _interpolate, _narrow, _widen, _inflate];

    /// <summary>Whether a tensor is left to earlier rules, whatever the checkpoint holds for it.</summary>
    public bool Skips(PlannedTensor tensor) => _skip.Tensors.Contains(tensor);

    /// <summary>Why a skipped tensor was skipped.</summary>
    public string Skipped => $"skipped as \"{_options.Skip}\"";

    /// <summary>Why a head's tensor was left to an earlier rule.</summary>
    public string OfAnotherSize => $"{_head} of another size";

    /// <summary>Whether a tensor is of a head that has another size in the checkpoint.</summary>
    public bool Leaves(PlannedTensor tensor, TensorInfo source) =>
        _head.Tensors.Contains(tensor) && !source.Shape.SequenceEqual(tensor.Info.Shape);

    /// <summary>How a tensor's value is computed from the checkpoint's; null where it is taken as it is.</summary>
    /// <exception cref="InitializationException">The tensor has a policy that does not suit it.</exception>
    public Adaptation? Adapt(PlannedTensor tensor, TensorInfo source)
    {
        if (!_owners.TryGetValue(tensor, out var policy) || policy == _skip || policy == _head) return null;
        var differs = policy == _interpolate
            ? _options.Interpolate!.Concerns(source, tensor.Info)
            : !source.Shape.SequenceEqual(tensor.Info.Shape);
        if (!differs) return null;
        RequireSize(policy, tensor, source);
        var layer = _modules.Nodes.First(node => node.Name == tensor.Entry.Owner).Types;
        var planned =
            policy == _firstConv ? FirstConvolution.Plan(_options.FirstConv!.By, source, tensor.Info)
            : policy == _interpolate ? _options.Interpolate!.Plan(source, tensor.Info)
            : policy == _narrow ? ChannelTransfer.Narrow(_options.Narrow!.By, source, tensor.Info, layer)
            : policy == _widen ? ChannelTransfer.Widen(source, tensor.Info, layer)
            : ChannelTransfer.Inflate(source, tensor.Info);
        var (adaptation, problem) = planned;
        return problem is null ? adaptation : throw new InitializationException($"{_rule}: {policy}: {tensor.Name} {problem}");
    }

    /// <summary>A remark for each policy that had nothing to do.</summary>
    /// <param name="found">What is loaded, with how it is adapted.</param>
    /// <param name="left">The tensors of the head that are left to earlier rules.</param>
    public IEnumerable<string> Remarks(IReadOnlyDictionary<PlannedTensor, FoundTensor> found, IReadOnlyDictionary<PlannedTensor, TensorInfo> left)
    {
        foreach (var policy in All.Where(policy => policy != _skip))
        {
            var loaded = policy.Tensors.Where(found.ContainsKey).ToList();
            if (policy.Tensors.Count == 0 || policy.Tensors.Any(left.ContainsKey) || loaded.Exists(tensor => found[tensor].Adaptation is not null))
                continue;
            yield return loaded.Count > 0
                ? $"{policy}: the shapes agree, loaded as it is"
                : $"{policy}: nothing of it was to be loaded from this file";
        }
    }

    private void RequireSize(Policy policy, PlannedTensor tensor, TensorInfo source)
    {
        if (Math.Max(source.ElementCount, tensor.Info.ElementCount) > Adaptation.MostValues)
            throw new InitializationException(
                $"{_rule}: {policy}: {tensor.Name} has {source.ShapeText} in the file and {tensor.Info.ShapeText} in the network, which is too large to adapt");
    }

    /// <summary>A policy and the tensors that it is for.</summary>
    private sealed record Policy(string Name, string Selector, HashSet<PlannedTensor> Tensors)
    {
        public override string ToString() => $"{Name} \"{Selector}\"";
    }
}

/// <summary>A tensor of a checkpoint that goes into the network.</summary>
/// <param name="Source">The tensor.</param>
/// <param name="Name">The name of the network's under which it was found.</param>
/// <param name="Adaptation">How its values are adapted; null where they are taken as they are.</param>
internal sealed record FoundTensor(TensorInfo Source, string Name, Adaptation? Adaptation);
