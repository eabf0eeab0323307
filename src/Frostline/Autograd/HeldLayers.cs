using Frostline.Freezing;
using Frostline.Selection;

namespace Frostline.Autograd;

/// <summary>Frozen layers whose backward pass has to run, because a gradient has to pass through them to something trained below.</summary>
internal static class HeldLayers
{
    /// <param name="dry">The network.</param>
    /// <param name="paths">The graph in which everything is trained: frozen parameters are leaves of it, so that it shows where they are used.</param>
    internal static IEnumerable<GradientFinding> In(DryNetwork dry, GradientPaths paths)
    {
        var trained = dry.Trained.Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        var parameters = dry.Tree.DistinctTensors.Where(entry => entry.Kind == NodeKind.Parameter).ToList();
        var reasons = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var entry in parameters.Where(entry => !trained.Contains(entry.Name)))
        {
            var beneath = paths.Beneath(entry.Name, name => dry.Tree.Find(name)!.Owner == entry.Owner, trained.Contains);
            if (beneath.Count > 0) reasons[entry.Name] = beneath;
        }

        return TopModules.Group(parameters.Where(entry => reasons.ContainsKey(entry.Name)), parameters)
            .Select(group => Finding(group.Module, group.Names, Layers(group.Names.SelectMany(name => reasons[name]).ToHashSet(StringComparer.Ordinal))));

        string Layers(HashSet<string> names) => FreezeException.Few(
        [
            .. TopModules.Group(parameters.Where(entry => names.Contains(entry.Name)), parameters)
                .SelectMany(group => group.Module.Length == 0 ? group.Names : [group.Module]),
        ]);
    }

    private static GradientFinding Finding(string module, IReadOnlyList<string> names, string layers) => new(
        FindingKind.HeldActivations, FindingSeverity.Note, module, names,
        $"{TopModules.Called(module)}: frozen, and yet it runs backward and keeps activations, for the sake of what is trained below: {layers}",
        $"nothing, where that has to be trained; else freeze {layers} too");
}
