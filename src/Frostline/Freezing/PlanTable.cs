using System.Globalization;
using System.Text;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>
/// A plan as a text table. A module whose parts are all alike is one row; any other is opened, and what it holds itself is a row
/// of its own, so that the rows add up to the total.
/// </summary>
internal static class PlanTable
{
    private static readonly string[] s_head = ["module", "type", "status", "parameters", "trained", "frozen", "statistics", "dropout", "rate"];

    internal static string Write(PlanStatus plan)
    {
        var rows = new List<string[]> { s_head };
        var children = plan.Modules.Skip(1).ToLookup(module => ParentOf(module.Name, plan), StringComparer.Ordinal);
        Add(plan, plan.Modules[0], children, rows);
        rows.Add(["total", "", "", Number(plan.Parameters), Number(plan.TrainedParameters), Number(plan.FrozenParameters), "", "", ""]);

        var widths = Enumerable.Range(0, s_head.Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
            text.Append(string.Join("  ", row.Select((cell, i) => i is >= 3 and <= 5 ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]))).TrimEnd()).Append('\n');

        text.Append(CultureInfo.InvariantCulture, $"frost line: {FrostLineOf(plan)}\n");
        foreach (var module in plan.Modules.Where(module => module.State == ModuleState.Irregular))
            text.Append(CultureInfo.InvariantCulture, $"irregular: {Shown(module.Name)}: {module.Reason}\n");
        foreach (var warning in plan.Warnings) text.Append(CultureInfo.InvariantCulture, $"warning: {warning}\n");
        if (plan.Doubts.Count > 0)
            text.Append(CultureInfo.InvariantCulture, $"warning: frozen without having been loaded: {FreezeException.Few([.. plan.Doubts.Select(doubt => $"{doubt.Name} ({doubt.Reason})")])}\n");
        return text.ToString();
    }

    private static string FrostLineOf(PlanStatus plan) => plan.Stages.Count > 0
        ? plan.FrostLine ?? "above the last stage, nothing can change"
        : "none: the network does not show its stages (IStagedNetwork, StagedAdapter), and what is frozen is computed with the rest";

    private static void Add(PlanStatus plan, ModuleStatus module, ILookup<string, ModuleStatus> children, List<string[]> rows)
    {
        var below = children[module.Name].ToList();
        if (below.Count == 0 || IsUniform(plan, module))
        {
            if (module.State != ModuleState.Stateless) rows.Add(Row(plan, module, Within(plan, module.Name)));
            return;
        }

        var own = plan.Tensors.Where(tensor => tensor.Owner == module.Name).ToList();
        if (own.Count > 0)
        {
            var trained = own.Where(tensor => tensor.State == TensorState.Trained).Sum(tensor => tensor.Elements);
            var frozen = own.Where(tensor => tensor.Kind == NodeKind.Parameter && tensor.State == TensorState.Frozen).Sum(tensor => tensor.Elements);
            rows.Add(Row(plan, module with { Name = Shown(module.Name) + " (itself)", TrainedParameters = trained, FrozenParameters = frozen, State = OwnState(own) }, own));
        }

        foreach (var child in below) Add(plan, child, children, rows);
    }

    private static ModuleState OwnState(List<TensorStatus> own) =>
        own.TrueForAll(tensor => tensor.State == TensorState.Frozen) ? ModuleState.Frozen
        : own.Exists(tensor => tensor.State == TensorState.Frozen) ? ModuleState.Mixed : ModuleState.Trained;

    /// <summary>Whether nothing is lost by showing a module with all below it as one row.</summary>
    private static bool IsUniform(PlanStatus plan, ModuleStatus module)
    {
        if (module.State is ModuleState.Mixed or ModuleState.Irregular) return false;
        if (plan.Modules.Any(other => other.State == ModuleState.Irregular && IsWithin(other.Name, module.Name))) return false;
        // Several rates in one row would have to be left out; a root that is all alike still shows its parts.
        return module.Name.Length > 0 && Rates(Within(plan, module.Name)).Count <= 1;
    }

    private static string[] Row(PlanStatus plan, ModuleStatus module, IReadOnlyList<TensorStatus> tensors)
    {
        var name = module.Name;
        var norms = plan.Modules.Where(other => other.Norm is not null && IsWithin(other.Name, name)).Select(other => other.Norm!.Value).Distinct().ToList();
        var dropouts = plan.Modules.Where(other => other.Dropout is not null && IsWithin(other.Name, name)).Select(other => other.Dropout!.Value).Distinct().ToList();
        return
        [
            Shown(name), module.Type, module.State switch { ModuleState.Trained => "trained", ModuleState.Frozen => "frozen", ModuleState.Mixed => "mixed", _ => "irregular" },
            Number(module.Parameters), Number(module.TrainedParameters), Number(module.FrozenParameters),
            string.Join('/', norms.Select(norm => norm == NormPolicy.Hold ? "hold" : "move")),
            string.Join('/', dropouts.Select(active => active ? "on" : "off")),
            string.Join('/', Rates(tensors).Select(rate => string.Create(CultureInfo.InvariantCulture, $"{rate:R}x"))),
        ];
    }

    private static List<double> Rates(IEnumerable<TensorStatus> tensors) =>
        [.. tensors.Where(tensor => tensor.State == TensorState.Trained).Select(tensor => tensor.LearningRateMultiplier).Distinct().Order()];

    private static List<TensorStatus> Within(PlanStatus plan, string module) => [.. plan.Tensors.Where(tensor => IsWithin(tensor.Owner, module))];

    private static bool IsWithin(string name, string module) =>
        module.Length == 0 || name == module || (name.StartsWith(module, StringComparison.Ordinal) && name[module.Length] == '.');

    private static string ParentOf(string name, PlanStatus plan) =>
        ModuleStates.SelfAndAncestors(name).Skip(1).First(ancestor => plan.Modules.Any(module => module.Name == ancestor));

    private static string Shown(string name) => name.Length == 0 ? "(root)" : name;

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
