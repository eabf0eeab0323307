using Frostline.Autograd;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Recipes;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// The <see cref="GradientDiagnosis"/> of each phase of a recipe's plan, on the first training samples, before the plan is applied. The network
/// and libtorch's generator are afterwards what they were. Mixup is left out: it changes no path of a gradient.
/// </summary>
internal static class TrainingDiagnosis
{
    /// <summary>
    /// The most samples: which way gradients take shows in a few, and a whole batch would take as much memory as a training without a compiled
    /// prefix.
    /// </summary>
    private const int MostSamples = 8;

    /// <summary>Diagnoses all phases.</summary>
    /// <param name="bench">The recipe's workbench.</param>
    /// <param name="data">Its data.</param>
    /// <param name="network">Its network with its first values, no plan applied.</param>
    /// <param name="initialized">Where they came from.</param>
    /// <returns>The phases in order, at least one, each with what those before it did not show.</returns>
    /// <exception cref="FrostlineException">
    /// The plan cannot be applied, data cannot be read, shapes do not fit, or memory ran out.
    /// </exception>
    public static IReadOnlyList<DiagnosedPhase> Of(Workbench bench, TrainingData data, torch.nn.Module network, InitializationReport initialized)
    {
        var modes = ModuleModes.Capture(network);
        try
        {
            using var scope = torch.NewDisposeScope();
            using var loader = data.TrainLoader();
            var plan = bench.CreatePlan();
            var phases = new List<DiagnosedPhase>();
            FirstBatch? batch = null;
            foreach (var phase in bench.PreviewPlan(network, initialized))
            {
                // The first one is applied as for training, so that what training would refuse is refused here.
                using var frozen = phases.Count == 0
                    ? bench.ApplyPlan(network, initialized)
                    : plan.At(phase.Epoch, phase.Plateaus).Apply(network, initialized, allowRandom: true);
                network.train();
                batch ??= FirstBatch.Of(new NetworkRunner(network), bench.CreateLoss(data), loader, bench.Device);
                var diagnosis = GradientDiagnosis.Of(frozen, batch.Loss, batch.Options(bench.Recipe.Seed, SizesOf(loader)));
                phases.Add(new DiagnosedPhase(phase.Epoch + 1, phase.Plateaus, diagnosis.Except(phases.Select(earlier => earlier.Diagnosis))));
            }

            return phases;
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
    /// Diagnoses before training, unless <c>train.diagnosis</c> is <c>off</c>: notes what is no error, and refuses to train where there is
    /// one, or notes it too where the recipe says <c>warn</c>. A loss that is no number is left to the first step, which meets it too and
    /// names the sample.
    /// </summary>
    /// <param name="bench">The recipe's workbench.</param>
    /// <param name="data">Its data.</param>
    /// <param name="network">Its network with its first values, no plan applied.</param>
    /// <param name="initialized">Where they came from.</param>
    /// <param name="observer">Is told of warnings and notes.</param>
    /// <exception cref="FrostlineException">There is an error; or as of <see cref="Of"/>.</exception>
    public static void Require(
        Workbench bench, TrainingData data, torch.nn.Module network, InitializationReport initialized, ITrainingObserver observer)
    {
        var mode = bench.Recipe.Train.Diagnosis;
        if (mode == DiagnosisMode.Off) return;
        var phases = Of(bench, data, network, initialized);
        foreach (var phase in phases)
        {
            foreach (var finding in phase.Diagnosis.Errors.Where(finding => mode == DiagnosisMode.Warn && finding.Kind != FindingKind.LossNotFinite))
                observer.Note($"error, and trained all the same: {phase.Prefix}{finding}");
            foreach (var finding in phase.Findings.Where(finding => finding.Severity == FindingSeverity.Warning))
                observer.Note($"warning: {phase.Prefix}{finding}");
            var notes = phase.Findings.Where(finding => finding.Severity == FindingSeverity.Note).ToList();
            if (notes.Count > 0) observer.Note($"note: {phase.Prefix}{Summary(notes)}");
        }

        if (mode == DiagnosisMode.Stop && Refusal(bench.Recipe, phases, finding => finding.Kind != FindingKind.LossNotFinite) is { } refusal) throw refusal;
    }

    /// <summary>What is thrown for errors, at the first one's place in the recipe; null where there is none.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="phases">What was found.</param>
    /// <param name="counts">Which of the errors count; null for all.</param>
    public static RecipeException? Refusal(Recipe recipe, IEnumerable<DiagnosedPhase> phases, Func<GradientFinding, bool>? counts = null)
    {
        var errors = phases.SelectMany(phase => phase.Diagnosis.Errors.Select(finding => (phase.Prefix, Finding: finding)))
            .Where(error => counts?.Invoke(error.Finding) ?? true).ToList();
        if (errors.Count == 0) return null;
        var more = errors.Count == 1 ? "" : $" ({errors.Count - 1} more, which frostline doctor shows)";
        return recipe.Error(PlaceOf(errors[0].Finding), $"{errors[0].Prefix}{errors[0].Finding}{more}");
    }

    /// <summary>How many samples the batches of an epoch have, each number once.</summary>
    private static IReadOnlyList<int> SizesOf(BatchLoader loader)
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
        if (notes.Count == 1) return notes[0].ToString();
        var names = string.Join(", ", notes.Take(3).Select(note => note.Module));
        var more = notes.Count > 3 ? $" and {notes.Count - 3} more" : "";
        return $"frozen, and yet running backward, for the sake of what is trained below: {names}{more}; frostline doctor says more";
    }

    /// <summary>The first samples of the first training batch, and the loss of as many of them as are wanted.</summary>
    private sealed class FirstBatch(NetworkRunner runner, ILoss loss, Dictionary<string, torch.Tensor> fields, int samples)
    {
        public static FirstBatch Of(NetworkRunner runner, ILoss loss, BatchLoader loader, torch.Device device)
        {
            using var batch = loader.Epoch(0).First();
            var count = Math.Min(batch.Count, MostSamples);
            return new FirstBatch(runner, loss, First(HostTensors.Of(batch, device), batch.Count, count), count);
        }

        public torch.Tensor Loss() => LossOf(fields);

        public DiagnosisOptions Options(long seed, IReadOnlyList<int> batchSizes) => new() { Seed = seed, BatchSizes = batchSizes, LossOfFirst = LossOfFirst };

        private torch.Tensor LossOfFirst(int count) => LossOf(First(fields, samples, count));

        private torch.Tensor LossOf(Dictionary<string, torch.Tensor> used) => loss.Compute(runner.Run(used), used);

        /// <summary>The rows of the first samples; a sample may have several, such as a key frame and its supports.</summary>
        private static Dictionary<string, torch.Tensor> First(Dictionary<string, torch.Tensor> fields, int samples, int count) => fields.ToDictionary(
            field => field.Key, field => field.Value.narrow(0, 0, field.Value.shape[0] / samples * Math.Min(count, samples)), StringComparer.Ordinal);
    }
}
