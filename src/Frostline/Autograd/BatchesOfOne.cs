using Frostline.Freezing;
using Frostline.Modules;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Autograd;

/// <summary>
/// BatchNorms that normalise by the batch and will meet a batch of one sample. With one value a channel the variance of the batch is not
/// defined: TorchSharp, unlike PyTorch, does not refuse, puts out zeros, and writes NaN into the running variance.
/// </summary>
internal static class BatchesOfOne
{
    internal static IEnumerable<GradientFinding> In(DryNetwork dry, Func<torch.Tensor> loss, DiagnosisOptions options)
    {
        var norms = dry.Tree.Modules.Where(entry => entry.AliasOf is null && NormalisesByBatch(entry.Module)).ToList();
        if (norms.Count == 0 || !options.BatchSizes.Contains(1)) return [];
        var (broken, problem) = Try(dry, norms, loss, options);
        if (problem is not null) return [Failing([.. norms.Select(norm => norm.Name)], problem)];
        var sound = norms.Select(norm => norm.Name).Except(broken, StringComparer.Ordinal).ToList();
        var findings = new List<GradientFinding>();
        if (broken.Count > 0) findings.Add(Failing(broken, "it has one value a channel, and its variance becomes NaN"));
        if (sound.Count > 0) findings.Add(Normalising(sound));
        return findings;
    }

    private static bool NormalisesByBatch(torch.nn.Module module) => module is BatchNorm norm && (norm.training || ModuleTypes.DependsOnBatch(norm));

    /// <summary>Trains on one sample where that can be done: which norms see one value a channel, or why the loss fails.</summary>
    private static (List<string> Broken, string? Problem) Try(
        DryNetwork dry, List<ModuleEntry> norms, Func<torch.Tensor> loss, DiagnosisOptions options)
    {
        var one = options.LossOfFirst is { } first ? () => first(1) : options.BatchSizes.All(size => size == 1) ? loss : null;
        if (one is null) return ([], null);
        var starved = new HashSet<torch.nn.Module>(ReferenceEqualityComparer.Instance);
        var removals = norms.Select(norm => Watch((BatchNorm)norm.Module, starved)).ToList();
        try
        {
            var broken = dry.Run(one, (_, _) => norms.Where(norm => starved.Contains(norm.Module) || HasLostVariance(norm.Module)).ToList());
            return ([.. broken.Select(norm => norm.Name)], null);
        }
        catch (Exception error) when (LibtorchErrors.IsOne(error))
        {
            return ([], LibtorchErrors.FirstLine(error));
        }
        finally
        {
            foreach (var remove in removals) remove();
        }
    }

    private static Action Watch(BatchNorm norm, HashSet<torch.nn.Module> starved)
    {
        var hook = norm.register_forward_pre_hook((_, input) =>
        {
            if (input.dim() >= 2 && input.numel() == input.shape[1]) starved.Add(norm);
            return input;
        });
        return hook.remove;
    }

    /// <summary>Hooks do not see a norm whose <c>forward</c> is called; its statistics tell.</summary>
    private static bool HasLostVariance(torch.nn.Module module)
    {
        if (((BatchNorm)module).running_var is not { } variance) return false;
        using var detached = variance.detach();
        using var sum = detached.sum(torch.float64);
        return !double.IsFinite(sum.item<double>());
    }

    private static GradientFinding Failing(List<string> norms, string problem) => new(
        FindingKind.BatchOfOne, FindingSeverity.Error, norms.Count == 1 ? norms[0] : "", norms,
        $"{FreezeException.Few(norms)}: a batch of one sample cannot be normalised by the batch: {problem}",
        "let every batch have two samples or more, the last one of an epoch too, or hold the statistics (norm: hold)");

    private static GradientFinding Normalising(List<string> norms) => new(
        FindingKind.BatchOfOne, FindingSeverity.Warning, norms.Count == 1 ? norms[0] : "", norms,
        $"{FreezeException.Few(norms)}: normalises by the batch, and a batch has one sample: by that sample alone",
        "let every batch have several samples, the last one of an epoch too, or hold the statistics (norm: hold)");
}
