using Frostline.Freezing;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>
/// Explains why trained parameters have no gradient: the loss does not depend on them, or it does and the graph is cut. It is told apart by
/// trying: parameters get other values, and the loss is computed anew with the same random numbers. Whole subtrees are tried at once, and
/// their parts only where the subtree mattered.
/// </summary>
internal sealed class CutSearch(DryNetwork dry, Func<torch.Tensor> loss, CallWatch calls, int mostTrials)
{
    /// <summary>
    /// The relative difference up to which two losses count as the same. A batch that <c>torch.tensor</c> makes anew each time lies in managed
    /// memory, elsewhere each time, and products with it differ in the last bit. Other values of parameters make far more of a difference.
    /// </summary>
    private const double Rounding = 1e-5;

    private readonly Dictionary<string, bool?> _matters = new(StringComparer.Ordinal);
    private int _trials;

    /// <summary>A finding for each topmost module without gradients, by cause.</summary>
    internal IEnumerable<GradientFinding> Explain(DryStep step, List<string> remarks)
    {
        var dead = step.With(GradientState.None).ToList();
        if (dead.Count == 0) return [];
        if (!IsSameLoss(step.Loss, prepare: null))
        {
            remarks.Add("why parameters have no gradient could not be told: the loss is another one each time, "
                + "though libtorch's generator is seeded alike");
            foreach (var entry in dead) _matters[entry.Owner] = null;
        }
        else if (!TryAll(step.Loss, dead))
        {
            remarks.Add($"after {mostTrials} trials, parts of modules were taken to be cut off as the whole is");
        }

        return dead.GroupBy(entry => KindOf(entry.Owner))
            .SelectMany(kind => TopModules.Group(kind, dry.Trained).Select(group => Finding(kind.Key, group.Module, group.Names)));
    }

    /// <summary>Fills in which owners matter to the loss.</summary>
    /// <returns>False where the trials did not suffice.</returns>
    private bool TryAll(double expected, List<TensorEntry> dead)
    {
        var enough = true;
        var groups = new Queue<List<TensorEntry>>([dead]);
        while (groups.TryDequeue(out var group))
        {
            enough = enough && _trials < mostTrials;
            var matters = _trials >= mostTrials || !IsSameLoss(expected, () => Perturb(group));
            foreach (var entry in group) _matters[entry.Owner] = matters;
            if (!matters || !enough) continue;
            foreach (var part in Parts(group)) groups.Enqueue(part);
        }

        return enough;
    }

    /// <summary>The parts of a group, one level below the last module that holds all of it; none where that is one module's own.</summary>
    private static IEnumerable<List<TensorEntry>> Parts(List<TensorEntry> group)
    {
        if (group.TrueForAll(entry => entry.Owner == group[0].Owner)) return [];
        var common = TopModules.CommonOwner(group);
        return group
            .GroupBy(
                entry => ModuleStates.SelfAndAncestors(entry.Owner).TakeWhile(module => module != common).LastOrDefault(common),
                StringComparer.Ordinal)
            .Select(part => part.ToList());
    }

    private bool IsSameLoss(double expected, Action? prepare)
    {
        if (prepare is not null) _trials++;
        var found = dry.Run(loss, (_, number) => number, prepare);
        return Math.Abs(found - expected) <= Rounding * Math.Max(Math.Abs(found), Math.Abs(expected));
    }

    /// <summary>Adds noise as large as the largest value, and at least 1: a parameter of zeros has to change too.</summary>
    private static void Perturb(List<TensorEntry> group)
    {
        using var noGrad = torch.no_grad();
        using Scalar one = 1;
        using (torch.manual_seed(0))
        {
        }

        foreach (var entry in group)
        {
            using var scope = torch.NewDisposeScope();
            var parameter = entry.Tensor;
            var largest = parameter.detach().abs().max();
            var scale = torch.maximum(largest, torch.ones_like(largest));
            parameter.copy_(parameter.detach().add(torch.randn_like(parameter).mul(scale), one));
        }
    }

    private FindingKind KindOf(string owner) => _matters[owner] switch
    {
        true when calls.RanWithoutRecording(owner) == true => FindingKind.BeneathNoGrad,
        true => FindingKind.Detached,
        _ => FindingKind.Unreachable,
    };

    private GradientFinding Finding(FindingKind kind, string module, IReadOnlyList<string> names)
    {
        var inModule = TopModules.CountIn(module, dry.Trained);
        var parameters = TopModules.Parameters(module, names, inModule, "trained");
        var get = names.Count == 1 ? "gets" : "get";
        var freeze = $"freeze \"{TopModules.Selector(module, names, inModule)}\"";
        var (why, remedy) = kind switch
        {
            FindingKind.BeneathNoGrad => (
                "the loss depends on that, but it is computed where nothing is recorded (no_grad)", $"move it out of no_grad, or {freeze}"),
            FindingKind.Detached => (
                $"the loss depends on that, but the graph is cut above it, {Cut(names)}", $"take out what cuts it, or {freeze}"),
            _ when Known(names) => ("the loss does not depend on that", $"use it in forward, or {freeze}"),
            _ => ("nothing leads from the loss to that", $"use it in forward without cutting the graph, or {freeze}"),
        };
        return new GradientFinding(
            kind, FindingSeverity.Error, module, names, $"{TopModules.Called(module)}: {parameters} {get} no gradient: {why}", remedy);
    }

    private bool Known(IReadOnlyList<string> names) => names.All(name => _matters[dry.Tree.Find(name)!.Owner] is not null);

    private string Cut(IReadOnlyList<string> names)
    {
        var recorded = names.All(name => calls.RanWithoutRecording(dry.Tree.Find(name)!.Owner) == false);
        return recorded ? "by detach() or an operation without a gradient" : "by detach(), no_grad or an operation without a gradient";
    }
}
