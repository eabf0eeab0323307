using System.Text;
using Frostline.Freezing;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>
/// One dry step before training: which trained parameters get no gradient and why, which get one that is zero, which frozen layers take
/// part in the backward pass all the same, and what else keeps a plan from doing what it says. The network is afterwards what it was, bit
/// for bit: values, gradients, modes, <c>requires_grad</c>, and libtorch's generator.
/// </summary>
public sealed class GradientDiagnosis
{
    private GradientDiagnosis(IEnumerable<GradientFinding> findings, IReadOnlyList<string> remarks)
    {
        Findings = [.. findings.OrderByDescending(finding => finding.Severity)];
        Remarks = remarks;
    }

    /// <summary>What was found, the worst first.</summary>
    public IReadOnlyList<GradientFinding> Findings { get; }

    /// <summary>What could not be found out, one line each.</summary>
    public IReadOnlyList<string> Remarks { get; }

    /// <summary>The findings that are errors.</summary>
    public IEnumerable<GradientFinding> Errors => Findings.Where(finding => finding.Severity == FindingSeverity.Error);

    /// <summary>
    /// Makes one step without an optimizer and looks at it. The network is run in the modes in which it is: call <c>train()</c> before.
    /// Costs two steps and a copy of the network; some more where trained parameters have no gradient. Where the plan changes with the
    /// epoch, diagnose each plan.
    /// </summary>
    /// <param name="frozen">The network with its plan.</param>
    /// <param name="loss">
    /// Computes the loss of one batch, a tensor of one number; called several times, always on the same batch, inside a dispose scope.
    /// </param>
    /// <param name="options">How; null for the defaults.</param>
    /// <returns>What was found; errors are in it, and nothing is thrown for them.</returns>
    /// <exception cref="FrostlineException">The loss is not one number.</exception>
    public static GradientDiagnosis Of(FrozenModel frozen, Func<torch.Tensor> loss, DiagnosisOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(frozen);
        ArgumentNullException.ThrowIfNull(loss);
        options ??= new DiagnosisOptions();
        var remarks = new List<string>();
        using var dry = new DryNetwork(frozen, options.Seed);
        var findings = ActiveDropouts.In(frozen.Plan, dry.Tree).ToList();
        findings.AddRange(BatchesOfOne.In(dry, loss, options));
        // Where every batch fails, there is no step to look at.
        var failing = findings.Exists(finding => finding is { Kind: FindingKind.BatchOfOne, Severity: FindingSeverity.Error });
        if (!failing || options.BatchSizes.Any(size => size != 1)) findings.AddRange(InStep(dry, loss, options, remarks));
        return new GradientDiagnosis(findings, remarks);
    }

    /// <summary>What others did not find already: of the phases of a plan, what a later one adds. Remarks likewise.</summary>
    /// <param name="others">The others.</param>
    public GradientDiagnosis Except(IEnumerable<GradientDiagnosis> others)
    {
        ArgumentNullException.ThrowIfNull(others);
        var known = others.ToList();
        var findings = known.SelectMany(other => other.Findings).Select(finding => (finding.Kind, finding.What)).ToHashSet();
        var remarks = known.SelectMany(other => other.Remarks).ToHashSet(StringComparer.Ordinal);
        return new GradientDiagnosis(
            Findings.Where(finding => !findings.Contains((finding.Kind, finding.What))), [.. Remarks.Where(remark => !remarks.Contains(remark))]);
    }

    /// <summary>Fails where there is an error.</summary>
    /// <exception cref="FrostlineException">Says the first error with its remedy, and how many more there are.</exception>
    public void ThrowIfErrors()
    {
        var errors = Errors.ToList();
        if (errors.Count == 0) return;
        var more = errors.Count == 1 ? "" : $" ({errors.Count - 1} more errors)";
        throw new FrostlineException($"{errors[0]}{more}");
    }

    /// <summary>Each finding with its remedy, the remarks, and a count.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        foreach (var finding in Findings)
            text.Append($"{finding.Severity.ToString().ToLowerInvariant()}: {finding.What}\n  remedy: {finding.Remedy}\n");
        foreach (var remark in Remarks) text.Append($"remark: {remark}\n");
        return text.Append(ToString()).Append('\n').ToString();
    }

    /// <summary>The result in one line.</summary>
    public override string ToString()
    {
        var counts = Findings.GroupBy(finding => finding.Severity)
            .Select(group => $"{group.Count()} {group.Key.ToString().ToLowerInvariant()}{(group.Count() == 1 ? "" : "s")}").ToList();
        return counts.Count == 0 ? "nothing found" : string.Join(", ", counts);
    }

    private static List<GradientFinding> InStep(DryNetwork dry, Func<torch.Tensor> loss, DiagnosisOptions options, List<string> remarks)
    {
        using var calls = CallWatch.On(dry.Tree);
        var step = dry.Step(loss);
        calls.Dispose();
        if (!double.IsFinite(step.Loss)) return [NotFinite(step.Loss)];

        var findings = new List<GradientFinding>();
        if (!step.LossHasGradient) findings.Add(WithoutGradient(dry.Trained.Count));
        findings.AddRange(new CutSearch(dry, loss, calls, options.MostTrials).Explain(step, remarks));
        var paths = PathsOf(dry, loss, options, remarks);
        findings.AddRange(ZeroGradients.In(dry, step, paths));
        if (paths is not null) findings.AddRange(HeldLayers.In(dry, paths));
        return findings;
    }

    /// <summary>The graph as it would be if everything were trained; null, with a remark, where it cannot be had.</summary>
    private static GradientPaths? PathsOf(DryNetwork dry, Func<torch.Tensor> loss, DiagnosisOptions options, List<string> remarks)
    {
        var few = Math.Min(2, options.BatchSizes.DefaultIfEmpty(2).Max());
        Func<torch.Tensor> small = options.LossOfFirst is { } lossOfFirst ? () => lossOfFirst(few) : loss;
        try
        {
            return new GradientPaths(dry.GraphOfEverything(small));
        }
        catch (PlatformNotSupportedException error)
        {
            remarks.Add($"which frozen layers take part in the backward pass was not looked at: {error.Message}");
        }
        catch (Exception error) when (options.LossOfFirst is not null || LibtorchErrors.IsOne(error))
        {
            // A loss that cannot be had of two samples says nothing of the training.
            remarks.Add("which frozen layers take part in the backward pass was not looked at: with everything trained, the loss fails: "
                + LibtorchErrors.FirstLine(error));
        }

        return null;
    }

    private static GradientFinding NotFinite(double loss) => new(
        FindingKind.LossNotFinite, FindingSeverity.Error, "", [],
        $"the loss is {(double.IsNaN(loss) ? "NaN" : "infinite")} before anything was trained",
        "look for values in the batch or the weights that are no numbers, and for a logarithm or a division of zero");

    private static GradientFinding WithoutGradient(int trained) => new(
        FindingKind.LossWithoutGradient, FindingSeverity.Error, "", [],
        trained == 0
            ? "the loss requires no gradient, because the plan trains no parameter"
            : "the loss requires no gradient: it is cut from every parameter, and nothing at all would be trained",
        trained == 0
            ? "train something, or do not train"
            : "compute it from the network's outputs, outside no_grad, by operations that have gradients");
}
