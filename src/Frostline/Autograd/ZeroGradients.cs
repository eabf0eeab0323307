using Frostline.Freezing;
using Frostline.Modules;

namespace Frostline.Autograd;

/// <summary>Trained parameters whose gradient is there and zero, with the cause where it is a weight of zeros above.</summary>
internal static class ZeroGradients
{
    internal static IEnumerable<GradientFinding> In(DryNetwork dry, DryStep step, GradientPaths? paths)
    {
        var zero = step.With(GradientState.Zero).ToList();
        if (zero.Count == 0) return [];
        var zeros = new Dictionary<string, bool>(StringComparer.Ordinal);
        return zero.GroupBy(entry => CauseOf(entry.Name), StringComparer.Ordinal)
            .SelectMany(cause => TopModules.Group(cause, dry.Trained).Select(group => Finding(dry, group.Module, group.Names, cause.Key)));

        string CauseOf(string name) =>
            paths is null ? "" : FreezeException.Few([.. paths.ZerosAbove(name, IsZero).Select(factor => $"\"{factor}\"")]);

        bool IsZero(string name)
        {
            if (!zeros.TryGetValue(name, out var isZero)) zeros[name] = isZero = HasNoValues(dry.Tree.Find(name)!);
            return isZero;
        }
    }

    private static bool HasNoValues(TensorEntry entry)
    {
        using var values = entry.Tensor.detach();
        using var nonzero = values.count_nonzero();
        return nonzero.item<long>() == 0;
    }

    private static GradientFinding Finding(DryNetwork dry, string module, IReadOnlyList<string> names, string cause)
    {
        var parameters = TopModules.Parameters(module, names, TopModules.CountIn(module, dry.Trained), "trained");
        var get = names.Count == 1 ? "gets" : "get";
        var (why, remedy) = cause.Length > 0
            ? ($"all gradients go through {cause}, all of which is zero", $"nothing, where that start is meant and {cause} is trained; else draw {cause}")
            : ("the activations above are dead on this batch, or what reaches the loss cancels out", "look at the activations above; try another initialisation or batch");
        return new GradientFinding(
            FindingKind.ZeroGradient, FindingSeverity.Warning, module, names,
            $"{TopModules.Called(module)}: {parameters} {get} a gradient that is exactly zero: {why}", remedy);
    }
}
