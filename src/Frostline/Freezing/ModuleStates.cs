using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>Sums up, for every module, what a plan makes of all that lies in it.</summary>
internal static class ModuleStates
{
    internal static List<ModuleStatus> Of(PlanResolution resolution, List<TensorStatus> tensors, IReadOnlyDictionary<string, string> irregular)
    {
        var sums = resolution.Modules.ToDictionary(module => module.Entry.Name, _ => new Sum(), StringComparer.Ordinal);
        foreach (var tensor in tensors)
        {
            foreach (var name in SelfAndAncestors(tensor.Owner))
                if (sums.TryGetValue(name, out var sum)) sum.Add(tensor);
        }

        foreach (var module in resolution.Modules.Where(module => module.Dropout is not null))
        {
            foreach (var name in SelfAndAncestors(module.Entry.Name))
                if (sums.TryGetValue(name, out var sum)) sum.AddDropout(module.Dropout!.Value);
        }

        var own = tensors.ToLookup(tensor => tensor.Owner, StringComparer.Ordinal);
        return [.. resolution.Modules.Select(module =>
        {
            var sum = sums[module.Entry.Name];
            var reason = irregular.GetValueOrDefault(module.Entry.Name) ?? Reason(module, own[module.Entry.Name]);
            return new ModuleStatus(
                module.Entry.Name, ModuleTypes.NamesOf(module.Entry.Module) is [var type, ..] ? type : "Module", reason is null ? sum.State : ModuleState.Irregular,
                reason, sum.Trained, sum.Frozen, module.Norm, module.Dropout, module.Entry.Stage);
        })];
    }

    internal static IEnumerable<string> SelfAndAncestors(string name)
    {
        yield return name;
        while (name.Length > 0)
        {
            name = name.LastIndexOf('.') is var dot and >= 0 ? name[..dot] : "";
            yield return name;
        }
    }

    private static string? Reason(ModuleDecision module, IEnumerable<TensorStatus> own)
    {
        if (own.Any(tensor => tensor.State == TensorState.Drifting)) return "its parameters are frozen, its running statistics move, and no rule says so";
        return ModuleTypes.DependsOnBatch(module.Entry.Module) ? "it tracks no running statistics and normalises by the batch in every mode" : null;
    }

    private sealed class Sum
    {
        private bool _changes, _stays;

        internal long Trained { get; private set; }

        internal long Frozen { get; private set; }

        internal ModuleState State => (_changes, _stays) switch
        {
            (true, true) => ModuleState.Mixed,
            (true, false) => ModuleState.Trained,
            (false, true) => ModuleState.Frozen,
            _ => ModuleState.Stateless,
        };

        internal void Add(TensorStatus tensor)
        {
            if (tensor.Kind == NodeKind.Parameter && tensor.State == TensorState.Trained) Trained += tensor.Elements;
            if (tensor.Kind == NodeKind.Parameter && tensor.State == TensorState.Frozen) Frozen += tensor.Elements;
            if (tensor.State == TensorState.Frozen) _stays = true;
            else _changes = true;
        }

        internal void AddDropout(bool active)
        {
            if (active) _changes = true;
            else _stays = true;
        }
    }
}
