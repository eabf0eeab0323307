using Frostline.Freezing;
using Frostline.Modules;

namespace Frostline.Autograd;

/// <summary>Sums up tensors by modules, so that a finding names a backbone and not its hundred layers.</summary>
internal static class TopModules
{
    /// <summary>
    /// Some tensors, grouped by the topmost module in which there are no others; where a module has both, they are grouped by it. A group is
    /// called by the lowest module that holds all of it: a head, and not the network that has nothing but a head to group.
    /// </summary>
    /// <param name="chosen">The tensors to group.</param>
    /// <param name="all">These, and the others; in the network's order.</param>
    internal static IReadOnlyList<(string Module, IReadOnlyList<string> Names)> Group(
        IEnumerable<TensorEntry> chosen, IEnumerable<TensorEntry> all)
    {
        var wanted = chosen.ToList();
        var (some, every) = (Count(wanted), Count(all));
        return [.. wanted
            .GroupBy(entry => Top(entry.Owner, some, every), StringComparer.Ordinal)
            .Select(group => (CommonOwner(group), (IReadOnlyList<string>)[.. group.Select(entry => entry.Name)]))];
    }

    /// <summary>The lowest module that holds all of some tensors.</summary>
    internal static string CommonOwner(IEnumerable<TensorEntry> tensors)
    {
        var owners = tensors.Select(entry => entry.Owner).Distinct(StringComparer.Ordinal).ToList();
        return ModuleStates.SelfAndAncestors(owners[0])
            .First(module => owners.TrueForAll(owner => ModuleStates.SelfAndAncestors(owner).Contains(module, StringComparer.Ordinal)));
    }

    /// <summary>A module in a sentence.</summary>
    internal static string Called(string module) => module.Length == 0 ? "the network" : module;

    /// <summary>Parameters of a module in a sentence: <c>its 2 trained parameters</c>, or by name where the module has others too.</summary>
    internal static string Parameters(string module, IReadOnlyList<string> names, int inModule, string which) => names.Count == inModule
        ? names.Count == 1 ? $"its {which} parameter" : $"its {names.Count} {which} parameters"
        : FreezeException.Few([.. names.Select(name => module.Length == 0 ? name : name[(module.Length + 1)..])]);

    /// <summary>How a selector says it: the module, or the parameters where the module has others too.</summary>
    internal static string Selector(string module, IReadOnlyList<string> names, int inModule) =>
        names.Count != inModule ? string.Join(" | ", names) : module.Length == 0 ? "**" : module;

    /// <summary>How many of the tensors lie in a module.</summary>
    internal static int CountIn(string module, IEnumerable<TensorEntry> tensors) =>
        tensors.Count(entry => ModuleStates.SelfAndAncestors(entry.Owner).Contains(module, StringComparer.Ordinal));

    private static string Top(string owner, Dictionary<string, int> some, Dictionary<string, int> every) =>
        ModuleStates.SelfAndAncestors(owner).LastOrDefault(module => some[module] == every[module], owner);

    private static Dictionary<string, int> Count(IEnumerable<TensorEntry> tensors)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var tensor in tensors)
            foreach (var module in ModuleStates.SelfAndAncestors(tensor.Owner))
                counts[module] = counts.GetValueOrDefault(module) + 1;
        return counts;
    }
}
