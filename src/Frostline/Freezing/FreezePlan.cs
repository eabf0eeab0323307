using System.Globalization;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Freezing;

/// <summary>
/// What of a network is trained and what is frozen: ordered rules, the last match wins, for three separate things: are
/// parameters trained, do norm statistics move, is dropout active. What no rule matches is trained, with moving statistics and
/// active dropout.
/// </summary>
/// <remarks>
/// <para>
/// Selectors are those of <see cref="Selector"/>. A rule that matches nothing, one that matches none of what it sets, and one
/// whose every effect later rules override are errors when the plan is applied or previewed.
/// </para>
/// <para>
/// Statistics are those of BatchNorm 1d/2d/3d and of InstanceNorm that tracks them, and of any module with buffers named
/// <c>running_mean</c> or <c>running_var</c>; a <see cref="FrozenBatchNorm"/> is held whatever rules say. GroupNorm, LayerNorm and norms that track nothing have none: only their
/// parameters can be frozen. Dropout is the whole family, and every module that draws at random while training (RReLU, and
/// the recurrent and attention modules, whose inner rate TorchSharp does not show).
/// </para>
/// <para>
/// A plan may change while a network is trained: rules after <see cref="FromEpoch"/> or <see cref="FromPlateau"/> join later, in their
/// place in the order. A stretch with the same rules is a phase; <see cref="At"/> gives its plan, for <see cref="FrozenModel.Update"/>.
/// </para>
/// </remarks>
public sealed partial class FreezePlan
{
    private readonly List<FreezePlanRule> _rules = [];
    private PhaseStart _start;

    /// <summary>The rules as text, in order; for logs and tables.</summary>
    public IReadOnlyList<string> Rules => [.. _rules.Select(rule => rule.Text)];

    internal IReadOnlyList<FreezePlanRule> RuleList => _rules;

    /// <summary>Freezes: parameters are held, norm statistics are held, dropout is off.</summary>
    /// <param name="selector">What is frozen.</param>
    /// <param name="norm">
    /// What norm statistics do; null, the default, for <see cref="NormPolicy.Hold"/>. With <see cref="NormPolicy.Move"/> they
    /// drift below frozen weights; the plan and the audit say so.
    /// </param>
    /// <param name="dropout">Whether dropout is active; null, the default, for off.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public FreezePlan Freeze(string selector, NormPolicy? norm = null, bool? dropout = null) =>
        Add("freeze", selector, new(Trained: false, norm ?? NormPolicy.Hold, dropout ?? false, BuffersHeld: true), (norm, dropout));

    /// <summary>Trains: parameters are trained, norm statistics move, dropout is on.</summary>
    /// <param name="selector">What is trained.</param>
    /// <param name="norm">
    /// What norm statistics do; null, the default, for <see cref="NormPolicy.Move"/>. With <see cref="NormPolicy.Hold"/> a norm
    /// stays in inference mode while its weight and bias are trained.
    /// </param>
    /// <param name="dropout">Whether dropout is active; null, the default, for on.</param>
    /// <param name="learningRate">The factor on the optimizer's learning rate; default 1, finite and above 0.</param>
    /// <param name="warmUp">
    /// Over how many epochs the rate rises linearly, from when a parameter began to be trained; default 0, at once.
    /// </param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not finite or not above 0, or the warm-up not finite or negative.</exception>
    public FreezePlan Train(string selector, NormPolicy? norm = null, bool? dropout = null, double learningRate = 1, double warmUp = 0)
    {
        CheckRate(learningRate, warmUp);
        return Add("train", selector, new(Trained: true, norm ?? NormPolicy.Move, dropout ?? true, BuffersHeld: false, learningRate, warmUp), (norm, dropout));
    }

    /// <summary>
    /// Sets only whether parameters are trained. Where it holds the parameters of a norm and no rule says what the norm's
    /// statistics do, they move as by default, and the audit names them: freezing parameters is not freezing.
    /// </summary>
    /// <param name="selector">Which parameters.</param>
    /// <param name="trained">Whether they are trained.</param>
    /// <param name="learningRate">The factor on the optimizer's learning rate; default 1, finite and above 0.</param>
    /// <param name="warmUp">As of <see cref="Train"/>.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not finite or not above 0, or the warm-up not finite or negative.</exception>
    public FreezePlan Parameters(string selector, bool trained, double learningRate = 1, double warmUp = 0)
    {
        CheckRate(learningRate, warmUp);
        return Add(trained ? "train parameters of" : "freeze parameters of", selector, new(trained, LearningRate: learningRate, WarmUp: warmUp));
    }

    /// <summary>Sets only what norm statistics do.</summary>
    /// <param name="selector">Which norms.</param>
    /// <param name="policy">Whether their statistics move.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public FreezePlan Norm(string selector, NormPolicy policy) => Add("of", selector, new(Norm: policy), (policy, null));

    /// <summary>Sets only whether dropout is active while training.</summary>
    /// <param name="selector">Which dropouts.</param>
    /// <param name="active">Whether they are active.</param>
    /// <returns>This plan.</returns>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public FreezePlan Dropout(string selector, bool active) => Add("of", selector, new(Dropout: active), (null, active));

    /// <summary>
    /// Applies the plan, where it has phases its first one: sets which parameters require gradients, takes away the gradients of frozen
    /// ones, and puts what is held into inference mode, where it stays through any later <c>train()</c>, <c>eval()</c> and
    /// <c>to()</c>, called on whatever module. Either everything is done or, where something is wrong, nothing.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">
    /// Where its values came from; null, the default, means that nothing is known of them.
    /// </param>
    /// <param name="allowRandom">Whether tensors that were drawn, or whose origin is unknown, may be frozen; default false.</param>
    /// <returns>The frozen model; disposing it restores what was found.</returns>
    /// <exception cref="SelectionException">A selector of the plan, of any phase, matches nothing.</exception>
    /// <exception cref="FreezeException">
    /// A rule has no effect in any phase, a tied parameter is frozen under one name and trained under another, something frozen was never
    /// loaded, or another plan is applied to the network or a part of it.
    /// </exception>
    public FrozenModel Apply(torch.nn.Module network, InitializationReport? initialized = null, bool allowRandom = false)
    {
        var resolution = PlanPhases.Resolve(ModuleTree.Of(network), this)[0].Resolution;
        if (!allowRandom) OriginCheck.Refuse(OriginCheck.Doubts(resolution, initialized));
        return FrozenModel.Create(resolution, initialized, allowRandom);
    }

    /// <summary>Says what the plan, where it has phases its first one, would do, and does nothing.</summary>
    /// <param name="network">The network.</param>
    /// <param name="initialized">Where its values came from; decides on <see cref="PlanStatus.Doubts"/>.</param>
    /// <exception cref="SelectionException">A selector of the plan matches nothing.</exception>
    /// <exception cref="FreezeException">A rule has no effect, or a tied parameter is frozen under one name and trained under another.</exception>
    public PlanStatus Preview(torch.nn.Module network, InitializationReport? initialized = null) => PreviewPhases(network, initialized)[0].Status;

    private FreezePlan Add(string verb, string selector, FreezeSettings settings, (NormPolicy? Norm, bool? Dropout) stated = default)
    {
        var text = $"{verb} \"{selector}\"";
        if (stated.Norm is { } policy) text += policy == NormPolicy.Hold ? ", norm hold" : ", norm move";
        if (stated.Dropout is { } active) text += active ? ", dropout on" : ", dropout off";
        if (settings.LearningRate != 1) text += string.Create(CultureInfo.InvariantCulture, $", learning rate {settings.LearningRate:R}x");
        if (settings.WarmUp != 0) text += string.Create(CultureInfo.InvariantCulture, $", warm-up {settings.WarmUp:R}");
        _rules.Add(new FreezePlanRule(text + _start, Selector.Parse(selector), settings, _start));
        return this;
    }

    private static void CheckRate(double learningRate, double warmUp)
    {
        if (!double.IsFinite(learningRate) || learningRate <= 0)
            throw new ArgumentOutOfRangeException(nameof(learningRate), learningRate, "the factor on the learning rate has to be finite and above 0");
        if (!double.IsFinite(warmUp) || warmUp < 0)
            throw new ArgumentOutOfRangeException(nameof(warmUp), warmUp, "the warm-up has to be a number of epochs, 0 or more");
    }
}

/// <summary>One rule.</summary>
/// <param name="Text">The rule as it is shown.</param>
/// <param name="Selector">What it is for.</param>
/// <param name="Settings">What it sets.</param>
/// <param name="Start">From when on it holds.</param>
internal sealed record FreezePlanRule(string Text, Selector Selector, FreezeSettings Settings, PhaseStart Start);

/// <summary>What a rule sets: each setting that is null is left as earlier rules have it.</summary>
/// <param name="Trained">Whether parameters are trained.</param>
/// <param name="Norm">What norm statistics do.</param>
/// <param name="Dropout">Whether dropout is active.</param>
/// <param name="BuffersHeld">Whether buffers other than statistics have to stay as they are.</param>
/// <param name="LearningRate">The factor on the learning rate of the parameters.</param>
/// <param name="WarmUp">Over how many epochs the rate of a parameter rises that begins to be trained.</param>
internal sealed record FreezeSettings(
    bool? Trained = null, NormPolicy? Norm = null, bool? Dropout = null, bool? BuffersHeld = null, double LearningRate = 1, double WarmUp = 0);
