using System.Globalization;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>Writes to the run's log what it passes on.</summary>
internal sealed class LoggingObserver(RunLog log, ITrainingObserver? next) : ITrainingObserver
{
    public void Note(string message)
    {
        log.Write(message);
        next?.Note(message);
    }

    public void Prepared(FrozenModel frozen, InitializationReport initialization)
    {
        foreach (var load in initialization.Loads) log.Write(load.ToString());
        log.Write(
            $"the plan: {frozen.Plan.TrainedParameters} parameters trained, {frozen.Plan.FrozenParameters} frozen, "
                + $"frost line {frozen.FrostLine ?? "none"}");
        foreach (var warning in frozen.Plan.Warnings) log.Write(warning);
        next?.Prepared(frozen, initialization);
    }

    public void Progress(TrainingProgress progress) => next?.Progress(progress);

    public void EpochEnded(EpochSummary epoch, bool isBest)
    {
        var metrics = string.Concat(
            epoch.Metrics.Select(m => string.Create(CultureInfo.InvariantCulture, $", {m.Key} {m.Value:G4}")));
        log.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"epoch {epoch.Epoch}: training loss {epoch.Loss:G4}{(metrics.Length > 0 ? $"; validation{metrics[1..]}" : "")}; "
                + $"{epoch.Seconds:F1} s{(isBest ? "; best so far" : "")}"));
        next?.EpochEnded(epoch, isBest);
    }
}
