using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Freezing;

/// <summary>A tensor that would be frozen though nobody loaded it.</summary>
/// <param name="Name">Its dotted name.</param>
/// <param name="Reason">What is known of it, in a few words: <c>drawn by ...</c>, <c>of unknown origin</c>.</param>
public sealed record DoubtfulTensor(string Name, string Reason);

/// <summary>
/// Frozen and never loaded is a mistake: such a tensor stays random for ever. Looks at parameters, norm statistics and the weights of frozen norms; other
/// buffers are constants of the network, and a missing <c>num_batches_tracked</c> only tells that a checkpoint is old.
/// </summary>
internal static class OriginCheck
{
    internal static IReadOnlyList<DoubtfulTensor> Doubts(PlanResolution resolution, InitializationReport? initialized)
    {
        var norms = resolution.Modules.Where(module => module.Norm is not null).Select(module => module.Entry.Name).ToHashSet(StringComparer.Ordinal);
        var frozenNorms = resolution.Modules.Where(module => module.Entry.Module is FrozenBatchNorm).Select(module => module.Entry.Name).ToHashSet(StringComparer.Ordinal);
        var names = resolution.Tree.Tensors.ToLookup(entry => entry.AliasOf ?? entry.Name, entry => entry.Name, StringComparer.Ordinal);
        var doubts = new List<DoubtfulTensor>();
        foreach (var (entry, state, _, _) in resolution.Tensors)
        {
            if (state != TensorState.Frozen || entry.Tensor.numel() == 0) continue;
            if (entry.Kind == NodeKind.Buffer && !(norms.Contains(entry.Owner) && IsMeanOrVariance(entry)) && !(frozenNorms.Contains(entry.Owner) && !IsCounter(entry))) continue;
            // Each name of a tied tensor may be the one under which it was loaded.
            var reasons = names[entry.Name].Select(name => initialized is null ? "of unknown origin" : initialized.DoubtOf(name)).ToList();
            if (reasons.TrueForAll(reason => reason is not null)) doubts.Add(new DoubtfulTensor(entry.Name, reasons[0]!));
        }

        return doubts;
    }

    internal static void Refuse(IReadOnlyList<DoubtfulTensor> doubts)
    {
        if (doubts.Count == 0) return;
        var few = FreezeException.Few([.. doubts.Select(doubt => $"{doubt.Name} ({doubt.Reason})")]);
        var count = doubts.Count == 1 ? "1 tensor" : $"{doubts.Count} tensors";
        throw new FreezeException($"{count} would be frozen without having been loaded: {few}; load them, or state allow-random (allowRandom: true in code)");
    }

    private static bool IsMeanOrVariance(TensorEntry entry) =>
        entry.Name.EndsWith("running_mean", StringComparison.Ordinal) || entry.Name.EndsWith("running_var", StringComparison.Ordinal);

    private static bool IsCounter(TensorEntry entry) => entry.Name.EndsWith(ModuleTypes.Counter, StringComparison.Ordinal);
}
