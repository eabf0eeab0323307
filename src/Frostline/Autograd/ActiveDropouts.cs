using Frostline.Freezing;
using Frostline.Modules;

namespace Frostline.Autograd;

/// <summary>Dropouts that a plan leaves active in a part whose parameters it freezes.</summary>
internal static class ActiveDropouts
{
    internal static IEnumerable<GradientFinding> In(PlanStatus plan, ModuleTree tree)
    {
        var status = plan.Modules.ToDictionary(module => module.Name, StringComparer.Ordinal);
        var modules = tree.Modules.ToDictionary(entry => entry.Name, entry => entry.Module, StringComparer.Ordinal);
        return plan.Modules
            .Where(module => module.Dropout == true && ModuleTypes.IsActive(modules[module.Name]))
            .Select(module => (module.Name, Part: ModuleStates.SelfAndAncestors(module.Name).Select(name => status.GetValueOrDefault(name))
                .FirstOrDefault(part => part is { Parameters: > 0 })))
            .Where(pair => pair.Part is { TrainedParameters: 0 })
            .GroupBy(pair => pair.Part!.Name, StringComparer.Ordinal)
            .Select(group => Finding(group.Key, [.. group.Select(pair => pair.Name)]));
    }

    private static GradientFinding Finding(string part, IReadOnlyList<string> dropouts)
    {
        var (are, them) = dropouts.Count == 1 ? ("is", "it") : ("are", "them");
        return new GradientFinding(
            FindingKind.ActiveDropout, FindingSeverity.Warning, part, dropouts,
            $"{TopModules.Called(part)}: its parameters are frozen and {FreezeException.Few(dropouts)} {are} active: it computes something else each time",
            $"switch {them} off with dropout: off, or freeze \"{(part.Length == 0 ? "**" : part)}\" as a whole");
    }
}
