using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>Puts a training's summary together.</summary>
internal static class Summaries
{
    /// <summary>The summary, but for the audit, which is empty.</summary>
    public static RunSummary Of(
        Recipe recipe,
        Workbench bench,
        TrainingData data,
        InitializationReport report,
        FrozenModel frozen,
        TrainingState state,
        RunEnd end)
    {
        var train = state.Epochs.Sum(e => e.Seconds) + state.EpochSeconds;
        return new RunSummary
        {
            Version = ModelDescription.CurrentVersion,
            Name = recipe.Name,
            Model = new ModelSummary(
                recipe.Model.Name, frozen.Plan.Parameters, frozen.Plan.TrainedParameters, frozen.Plan.FrozenParameters),
            Initialization = Of(report),
            FrostLine = new FrostLineSummary(frozen.FrostLine),
            Prefix = state.Prefix,
            Data = new DataSummary(data.Train.Count, data.Validate?.Count ?? 0, data.Classes?.Names ?? []),
            Epochs = state.Epochs,
            Best = state.Best,
            Ended = end,
            Audit = new AuditSummary(0, 0, [], []),
            Phases = [.. frozen.Phases.Select(phase => new PhaseSummary((int)phase.Epoch + 1, phase.Trained, phase.FrostLine))],
            Seconds = new SecondsSummary(state.InitializeSeconds, train, state.InitializeSeconds + train),
            Seed = recipe.Seed,
            Threads = bench.Threads,
        };
    }

    /// <summary>Where the first values came from, in numbers and names.</summary>
    public static InitializationSummary Of(InitializationReport report) => new(
        report.Loaded.Count,
        report.Drawn.Count,
        report.Kept.Count,
        report.Set.Count + report.Copied.Count + report.Calibrated.Count,
        report.Missing,
        report.Unexpected,
        [.. report.Skipped.Select(tensor => tensor.ToString())],
        [.. report.Loads.SelectMany(load => load.Adapted).Select(tensor => tensor.ToString())],
        [.. report.Loads.Select(load => load.ToString())]);
}
