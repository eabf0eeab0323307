using Frostline.Autograd;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Recipes;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// The <see cref="GradientDiagnosis"/> of a recipe under one plan, on the first training batch. The network, the data's order and libtorch's
/// generator are afterwards what they were. Mixup is left out: it changes no path of a gradient.
/// </summary>
internal static class TrainingDiagnosis
{
    /// <summary>Diagnoses the plan that is applied.</summary>
    /// <param name="bench">The recipe's workbench.</param>
    /// <param name="data">Its data.</param>
    /// <param name="frozen">Its network with the plan.</param>
    /// <exception cref="FrostlineException">Data cannot be read, shapes do not fit, or memory ran out.</exception>
    public static GradientDiagnosis Of(Workbench bench, TrainingData data, FrozenModel frozen)
    {
        var modes = ModuleModes.Capture(frozen.Network);
        try
        {
            frozen.Network.train();
            using var scope = torch.NewDisposeScope();
            using var loader = data.TrainLoader();
            var batch = new FirstBatch(new NetworkRunner(frozen.Network), bench.CreateLoss(data), FieldsOf(loader, bench.Device));
            return GradientDiagnosis.Of(
                frozen,
                () => batch.LossOfFirst(null),
                new DiagnosisOptions { Seed = bench.Recipe.Seed, BatchSizes = SizesOf(loader), LossOfFirst = count => batch.LossOfFirst(count) });
        }
        catch (Exception error) when (MemoryHint.IsOutOfMemory(error))
        {
            throw MemoryHint.Explain(error, bench.Recipe.Train.BatchSize, bench.Recipe.Train.Accumulate);
        }
        finally
        {
            modes.Restore();
        }
    }

    /// <summary>
    /// Diagnoses before training: notes what is no error, and refuses to train where there is one. A loss that is no number is left to the
    /// first step, which meets it too and names the sample.
    /// </summary>
    /// <param name="bench">The recipe's workbench.</param>
    /// <param name="data">Its data.</param>
    /// <param name="frozen">Its network with the plan.</param>
    /// <param name="observer">Is told of warnings and notes.</param>
    /// <exception cref="FrostlineException">There is an error; or as of <see cref="Of"/>.</exception>
    public static void Require(Workbench bench, TrainingData data, FrozenModel frozen, ITrainingObserver observer)
    {
        var diagnosis = Of(bench, data, frozen);
        foreach (var finding in diagnosis.Findings.Where(finding => finding.Severity == FindingSeverity.Warning))
            observer.Note($"warning: {finding}");
        var notes = diagnosis.Findings.Where(finding => finding.Severity == FindingSeverity.Note).ToList();
        if (notes.Count > 0) observer.Note(Summary(notes));
        if (Refusal(bench.Recipe, diagnosis.Errors.Where(finding => finding.Kind != FindingKind.LossNotFinite)) is { } refusal) throw refusal;
    }

    /// <summary>What is thrown for errors, at the first one's place in the recipe; null where there is none.</summary>
    public static RecipeException? Refusal(Recipe recipe, IEnumerable<GradientFinding> errors)
    {
        var all = errors.ToList();
        if (all.Count == 0) return null;
        var more = all.Count == 1 ? "" : $" ({all.Count - 1} more, which frostline doctor shows)";
        return recipe.Error(PlaceOf(all[0]), $"{all[0]}{more}");
    }

    /// <summary>How many samples the batches of an epoch have, each number once.</summary>
    internal static IReadOnlyList<int> SizesOf(BatchLoader loader)
    {
        var (size, count) = (loader.Options.BatchSize, loader.Dataset.Count);
        var rest = loader.Options.DropLast ? 0 : count % size;
        return [.. new[] { count >= size ? size : 0, rest }.Where(samples => samples > 0).Distinct()];
    }

    /// <summary>Where in the recipe an error is to be mended.</summary>
    private static string PlaceOf(GradientFinding finding) => finding.Kind switch
    {
        FindingKind.BatchOfOne => "train.batch-size",
        FindingKind.LossNotFinite => "data",
        _ => "freeze",
    };

    private static string Summary(List<GradientFinding> notes)
    {
        if (notes.Count == 1) return $"note: {notes[0]}";
        var names = string.Join(", ", notes.Take(3).Select(note => note.Module));
        var more = notes.Count > 3 ? $" and {notes.Count - 3} more" : "";
        return $"note: frozen, and yet running backward, for the sake of what is trained below: {names}{more}; frostline doctor says more";
    }

    private static Dictionary<string, torch.Tensor> FieldsOf(BatchLoader loader, torch.Device device)
    {
        using var batch = loader.Epoch(0).First();
        return HostTensors.Of(batch, device);
    }

    /// <summary>The first training batch, and the loss of as many of its samples as are wanted.</summary>
    private sealed class FirstBatch(NetworkRunner runner, ILoss loss, Dictionary<string, torch.Tensor> fields)
    {
        /// <param name="count">How many; null for all.</param>
        public torch.Tensor LossOfFirst(int? count)
        {
            var used = count is not { } most ? fields : fields.ToDictionary(
                field => field.Key, field => field.Value.narrow(0, 0, Math.Min(most, field.Value.shape[0])), StringComparer.Ordinal);
            return loss.Compute(runner.Run(used), used);
        }
    }
}
