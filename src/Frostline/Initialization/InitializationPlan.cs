using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Initialization;

/// <summary>
/// Ordered rules that give every parameter and buffer of a network its first value. Each tensor gets it from the last rule that
/// has one for it, and only from that; what no rule decides is kept as constructed. A plan can be applied to several networks.
/// It does not own its checkpoints, which must stay open until it has been applied.
/// </summary>
public sealed class InitializationPlan
{
    private readonly List<PlanRule> _rules = [];
    private readonly List<(Selector Selector, double Coverage)> _requirements = [];

    /// <summary>The rules as they read in reports, in order.</summary>
    public IReadOnlyList<string> Rules => [.. _rules.Select(rule => rule.Text)];

    /// <summary>
    /// Draws by a scheme. Parameters that the scheme has no initializer for are left to earlier rules, and are an error where
    /// there is none; buffers that it does not know are left alone.
    /// </summary>
    /// <param name="selector">What to draw.</param>
    /// <param name="scheme">The scheme.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public InitializationPlan Draw(string selector, InitializationScheme scheme)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        return Add(new SchemeRule(Selector.Parse(selector), scheme));
    }

    /// <summary>Draws by one initializer: the selected parameters; buffers only where no parameter is selected.</summary>
    /// <param name="selector">What to draw.</param>
    /// <param name="initializer">The initializer.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public InitializationPlan Draw(string selector, Initializer initializer)
    {
        ArgumentNullException.ThrowIfNull(initializer);
        return Add(new DrawRule(Selector.Parse(selector), initializer));
    }

    /// <summary>
    /// Loads parameters and persistent buffers from a checkpoint. Names must agree exactly, and shapes where no policy of
    /// <paramref name="options"/> is for the tensor; floating-point types are cast to the network's and reported, other types must
    /// agree. Tensors that a later rule decides are not loaded and not checked. A checkpoint without any norm counters
    /// (<c>num_batches_tracked</c>) is accepted as PyTorch accepts it: they are set to 0.
    /// </summary>
    /// <param name="into">What to fill, by the network's names.</param>
    /// <param name="checkpoint">The open checkpoint.</param>
    /// <param name="map">Turns the checkpoint's names into the network's; default <see cref="KeyMap.Identity"/>.</param>
    /// <param name="options">How strictly, and what may differ; default: everything selected must be there as it is.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">A selector cannot be read.</exception>
    /// <exception cref="InitializationException">A grid of the options is none.</exception>
    public InitializationPlan Load(string into, Checkpoint checkpoint, KeyMap? map = null, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        options ??= new LoadOptions();
        if (!(options.Require is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(options), options.Require, "the required share lies from 0 to 1");
        foreach (var selector in new[]
        {
            options.Skip, options.Head, options.FirstConv?.Of, options.Interpolate?.Of, options.Narrow?.Of, options.Widen, options.Inflate,
        })
        {
            if (selector is not null) Selector.Parse(selector);
        }

        options.Interpolate?.Check();
        return Add(new LoadRule(Selector.Parse(into), checkpoint, map ?? KeyMap.Identity, options));
    }

    /// <summary>Leaves everything selected as the network was constructed.</summary>
    /// <param name="selector">What to keep.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public InitializationPlan Keep(string selector) => Add(new KeepRule(Selector.Parse(selector)));

    /// <summary>Sets every element of the selected parameters; of buffers only where no parameter is selected.</summary>
    /// <param name="selector">What to set.</param>
    /// <param name="value">The value; it must fit into the elements' type.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public InitializationPlan Set(string selector, double value) => Add(new SetRule(Selector.Parse(selector), value));

    /// <summary>Copies values inside the network, after all other rules.</summary>
    /// <param name="to">A parameter or buffer, or a module: then everything that it holds.</param>
    /// <param name="from">
    /// The source of the same kind; each tensor needs a counterpart of the same name below it, of equal shape where
    /// <paramref name="fit"/> does not say how another one becomes it.
    /// </param>
    /// <param name="fit">
    /// What happens to tensors of another shape, for example a stem that sees more channels. Default: <see cref="CopyFit.Exact"/>, an error.
    /// </param>
    /// <returns>This plan.</returns>
    public InitializationPlan CopyFrom(string to, string from, CopyFit fit = CopyFit.Exact)
    {
        ArgumentException.ThrowIfNullOrEmpty(to);
        ArgumentException.ThrowIfNullOrEmpty(from);
        return Add(new CopyRule(to, from, fit));
    }

    /// <summary>
    /// Requires that a share of the selected parameters and persistent buffers is loaded in the end, by whichever rules.
    /// </summary>
    /// <param name="selector">What must be loaded. Counters that an old checkpoint lacks do not count.</param>
    /// <param name="coverage">The share of tensors, from 0 to 1.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public InitializationPlan Require(string selector, double coverage)
    {
        if (!(coverage is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(
            nameof(coverage), coverage, "the required share lies from 0 to 1");
        _requirements.Add((Selector.Parse(selector), coverage));
        return this;
    }

    /// <summary>
    /// Gives the network its values. Everything is checked first: every selector, name, shape and type, and that every checkpoint
    /// can be read to its end. Only then are values written, in place, tensor by tensor: parameters stay the same objects, and no
    /// second copy of the network is held. What is drawn depends only on the seed, the tensor's name and its initializer.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <returns>Where each value came from.</returns>
    /// <exception cref="FrostlineException">Something does not fit; the network is as it was.</exception>
    public InitializationReport Apply(torch.nn.Module network, long seed) => Run(network, seed, write: true, check: null);

    /// <summary>
    /// Does all that <see cref="Apply"/> does except writing: the same checks, and the report with statistics NaN.
    /// </summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <returns>Where each value would come from.</returns>
    /// <exception cref="FrostlineException">Something does not fit.</exception>
    public InitializationReport Preview(torch.nn.Module network, long seed) => Run(network, seed, write: false, check: null);

    /// <summary>Applies the plan, or pretends to.</summary>
    /// <param name="network">The network.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="write">Whether values are written.</param>
    /// <param name="check">May refuse what was decided, before anything is read or written; null for nothing.</param>
    internal InitializationReport Run(torch.nn.Module network, long seed, bool write, Action<PlanDecisions>? check)
    {
        ArgumentNullException.ThrowIfNull(network);
        // While the plan is made, the other cores have nothing to do.
        foreach (var rule in _rules.OfType<LoadRule>()) rule.Checkpoint.Prefetch();
        var decisions = new PlanDecisions(new PlannedNetwork(ModuleTree.Of(network)));
        for (var i = _rules.Count - 1; i >= 0; i--) Decide(i, decisions);
        decisions.Finish(_rules);
        foreach (var (selector, coverage) in _requirements) CheckCoverage(decisions, selector, coverage);
        check?.Invoke(decisions);
        return new PlanWriter(decisions, seed, write).Run();
    }

    // Whoever wrote the rules, for example in a recipe, learns which one is wrong.
    private void Decide(int rule, PlanDecisions decisions)
    {
        try
        {
            _rules[rule].Decide(decisions);
        }
        catch (FrostlineException error)
        {
            throw new InitializationException(error.Message, error) { Rule = rule };
        }
    }

    private static void CheckCoverage(PlanDecisions decisions, Selector selector, double coverage)
    {
        var rule = $"require \"{selector.Text}\"";
        var counted = decisions.Network.Select(rule, selector)
            .Where(t => t.Entry.Persistent && decisions.Of(t)!.Assignment is not SetAssignment { Reason: not null }).ToList();
        var others = counted.Where(t => decisions.Of(t)!.Assignment is not LoadAssignment).ToList();
        if (counted.Count - others.Count >= coverage * counted.Count) return;
        throw new InitializationException(string.Create(
            CultureInfo.InvariantCulture,
            $"{rule}: {counted.Count - others.Count} of {counted.Count} tensors are loaded, ")
            + string.Create(CultureInfo.InvariantCulture, $"{coverage * 100:0.##} % are required; ")
            + $"{others[0].Name} is decided by: {decisions.Of(others[0])!.Rule}");
    }

    private InitializationPlan Add(PlanRule rule)
    {
        _rules.Add(rule);
        return this;
    }
}
