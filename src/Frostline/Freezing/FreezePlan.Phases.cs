using System.Globalization;
using Frostline.Initialization;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Freezing;

/// <content>Plans that change while a network is trained.</content>
public sealed partial class FreezePlan
{
    /// <summary>The epochs at whose beginning rules join, in order, the first one 0.</summary>
    public IReadOnlyList<int> PhaseEpochs => [.. _rules.Select(rule => rule.Start.Epoch).Append(0).Distinct().Order()];

    /// <summary>How many plateaus some rule waits for; 0 where none does.</summary>
    public int Plateaus => _rules.Select(rule => rule.Start.Plateaus).Append(0).Max();

    /// <summary>Whether the plan changes while a network is trained.</summary>
    public bool HasPhases => _rules.Exists(rule => rule.Start != default);

    /// <summary>Whether this is the plan of one phase: rules of other phases, which it lacks, decide whether each has an effect.</summary>
    internal bool IsPhase { get; private init; }

    /// <summary>Whether another plan has the same rules in the same order.</summary>
    internal bool HasRulesOf(FreezePlan other) =>
        _rules.Select(rule => (rule.Text, rule.Settings)).SequenceEqual(other._rules.Select(rule => (rule.Text, rule.Settings)));

    /// <summary>The rules that follow hold from the beginning of an epoch on; 0, as at first, means from the beginning.</summary>
    /// <param name="epoch">The epoch, counted from 0: how many epochs are over.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The epoch is negative.</exception>
    public FreezePlan FromEpoch(int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        _start = new PhaseStart(epoch, 0);
        return this;
    }

    /// <summary>
    /// The rules that follow hold from the end of the epoch on in which a metric had stopped getting better for the so manieth time;
    /// whoever trains decides what a plateau is, and passes their number to <see cref="At"/>.
    /// </summary>
    /// <param name="plateau">The first plateau is 1.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public FreezePlan FromPlateau(int plateau)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(plateau, 1);
        _start = new PhaseStart(0, plateau);
        return this;
    }

    /// <summary>
    /// Gradual unfreezing (Howard and Ruder, 2018, ULMFiT; <c>fit</c> and <c>freeze_to</c> in fastai): parts that are frozen at first are
    /// trained one after the other, with learning rates that fall from part to part. It freezes nothing: rules before it do.
    /// </summary>
    /// <param name="parts">Selectors of the parts, in the order in which they thaw: the one nearest to the output first.</param>
    /// <param name="fromEpoch">When the first one thaws, counted from 0; default 1.</param>
    /// <param name="every">How many epochs lie between one and the next; default 1.</param>
    /// <param name="decay">By what a part's learning rate is divided, each time once more; default 1. ULMFiT divides by 2.6.</param>
    /// <param name="norm">As of <see cref="Train"/>.</param>
    /// <param name="dropout">As of <see cref="Train"/>.</param>
    /// <param name="warmUp">As of <see cref="Train"/>.</param>
    /// <returns>This plan; rules that follow hold from the beginning again.</returns>
    /// <exception cref="Selection.SelectionException">A selector cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public FreezePlan UnfreezeGradually(
        IReadOnlyList<string> parts, int fromEpoch = 1, int every = 1, double decay = 1, NormPolicy? norm = null, bool? dropout = null,
        double warmUp = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(every, 1);
        return Unfreeze(parts, i => FromEpoch(fromEpoch + (i * every)), decay, norm, dropout, warmUp);
    }

    /// <summary>As <see cref="UnfreezeGradually"/>, with each part waiting for one more plateau instead of an epoch.</summary>
    /// <param name="parts">Selectors of the parts, in the order in which they thaw: the one nearest to the output first.</param>
    /// <param name="first">The plateau, counted from 1, at which the first one thaws; default 1.</param>
    /// <param name="decay">As of <see cref="UnfreezeGradually"/>.</param>
    /// <param name="norm">As of <see cref="Train"/>.</param>
    /// <param name="dropout">As of <see cref="Train"/>.</param>
    /// <param name="warmUp">As of <see cref="Train"/>.</param>
    /// <returns>This plan; rules that follow hold from the beginning again.</returns>
    /// <exception cref="Selection.SelectionException">A selector cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public FreezePlan UnfreezeAtPlateaus(
        IReadOnlyList<string> parts, int first = 1, double decay = 1, NormPolicy? norm = null, bool? dropout = null, double warmUp = 0) =>
        Unfreeze(parts, i => FromPlateau(first + i), decay, norm, dropout, warmUp);

    /// <summary>
    /// Progressive freezing from below (Brock et al., 2017, FreezeOut): parts are trained at first and frozen one after the other, each at
    /// the end of its own schedule. <see cref="Optimization.ParameterGroups.Anneal"/> lets their learning rates fall to 0 until then.
    /// </summary>
    /// <param name="freezing">Which parts, and when.</param>
    /// <returns>This plan; rules that follow hold from the beginning again.</returns>
    /// <exception cref="Selection.SelectionException">A selector cannot be read.</exception>
    public FreezePlan FreezeProgressively(ProgressiveFreezing freezing)
    {
        ArgumentNullException.ThrowIfNull(freezing);
        for (var i = 0; i < freezing.Parts.Count; i++) FromEpoch(freezing.EndOf(i)).Freeze(freezing.Parts[i]);
        return FromEpoch(0);
    }

    private FreezePlan Unfreeze(
        IReadOnlyList<string> parts, Action<int> begin, double decay, NormPolicy? norm, bool? dropout, double warmUp)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (!double.IsFinite(decay) || decay < 1)
            throw new ArgumentOutOfRangeException(nameof(decay), decay, "the decay divides the learning rate from part to part: 1 or more");
        for (var i = 0; i < parts.Count; i++)
        {
            begin(i);
            Train(parts[i], norm, dropout, Math.Pow(decay, -(i + 1)), warmUp);
        }

        return FromEpoch(0);
    }

    /// <summary>The plan of a phase: the rules that hold then.</summary>
    /// <param name="epoch">The epoch, counted from 0.</param>
    /// <param name="plateaus">How many plateaus there have been; default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public FreezePlan At(int epoch, int plateaus = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNegative(plateaus);
        var phase = new FreezePlan { IsPhase = true };
        phase._rules.AddRange(_rules.Where(rule => rule.Start.Epoch <= epoch && rule.Start.Plateaus <= plateaus));
        return phase;
    }

    /// <summary>
    /// Says what the plan would do in each of its phases, and does nothing. Phases that begin with a plateau come last, as if all epochs
    /// before had been.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">
    /// Where its values came from; decides on <see cref="PlanStatus.Doubts"/>. What an earlier phase trains is in no doubt later.
    /// </param>
    /// <returns>The phases in order, at least one.</returns>
    /// <exception cref="Selection.SelectionException">A selector of the plan matches nothing.</exception>
    /// <exception cref="FreezeException">A rule has no effect, or a tied parameter is frozen under one name and trained under another.</exception>
    public IReadOnlyList<PlannedPhase> PreviewPhases(torch.nn.Module network, InitializationReport? initialized = null)
    {
        var changed = new HashSet<string>(StringComparer.Ordinal);
        var phases = new List<PlannedPhase>();
        foreach (var (start, resolution) in PlanPhases.Resolve(ModuleTree.Of(network), this))
        {
            var doubts = OriginCheck.Doubts(resolution, initialized).Where(doubt => !changed.Contains(doubt.Name)).ToList();
            phases.Add(new PlannedPhase(start.Epoch, start.Plateaus, PlanStatus.Of(resolution, doubts)));
            changed.UnionWith(resolution.Changing);
        }

        return phases;
    }
}

/// <summary>A phase of a plan laid over a network.</summary>
/// <param name="Epoch">The epoch at whose beginning it begins, counted from 0.</param>
/// <param name="Plateaus">How many plateaus it waits for besides; 0 for none.</param>
/// <param name="Status">What it makes of the network.</param>
public sealed record PlannedPhase(int Epoch, int Plateaus, PlanStatus Status);

/// <summary>From when on a rule holds.</summary>
/// <param name="Epoch">How many epochs have to be over.</param>
/// <param name="Plateaus">How many plateaus there have to have been.</param>
internal readonly record struct PhaseStart(int Epoch, int Plateaus)
{
    /// <summary>As it is appended to a rule's text.</summary>
    public override string ToString() => this switch
    {
        { Plateaus: > 0 } => string.Create(CultureInfo.InvariantCulture, $", after plateau {Plateaus}"),
        { Epoch: 1 } => ", after 1 epoch",
        { Epoch: > 0 } => string.Create(CultureInfo.InvariantCulture, $", after {Epoch} epochs"),
        _ => "",
    };
}
