using System.Diagnostics;
using Frostline.Native;
using Frostline.Training.Data;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// Trains: forward, loss, backward, step, batch after batch; validates after each epoch; keeps the best and the last
/// checkpoint. A pure continuation of its <see cref="State"/>: libtorch's generator is seeded for every batch from (seed, epoch,
/// batch), so a training that goes on from a checkpoint computes the same bits as one that was never interrupted.
/// </summary>
/// <remarks>Every batch runs in a dispose scope of its own: memory does not grow with the number of batches.</remarks>
public sealed class TrainingLoop
{
    // Epochs may take less time than it takes to write a network twice; what an interruption then loses is computed again in a second.
    private static readonly TimeSpan s_betweenEpochs = TimeSpan.FromSeconds(1);

    private readonly TrainingParts _parts;
    private readonly LoopSettings _settings;
    private readonly TrainingCourse _course;
    private readonly BatchPreparation _batches;
    private readonly Stopwatch _epochClock = new();
    private readonly Stopwatch _sinceCheckpoint = Stopwatch.StartNew();
    private (long Prefix, long Stored) _rows;
    private KeptValues? _best;

    /// <summary>Prepares a training.</summary>
    /// <param name="parts">What it works with; where it is resumed, the caller has restored the tensors.</param>
    /// <param name="settings">Its numbers.</param>
    /// <param name="state">Where it begins: a new state, or that of a checkpoint.</param>
    /// <exception cref="FrostlineException">
    /// A metric that is referred to is not measured, or mixup has no classes to mix.
    /// </exception>
    public TrainingLoop(TrainingParts parts, LoopSettings settings, TrainingState state)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(settings);
        (_parts, _settings) = (parts, settings);
        _course = new TrainingCourse(parts.ForCourse(), settings, state);
        _batches = new BatchPreparation(parts.Runner, parts.Device, settings);
    }

    /// <summary>Where the training is.</summary>
    public TrainingState State
    {
        get => _course.State;
        private set => _course.State = value;
    }

    /// <summary>
    /// Trains until the last epoch, early stopping, or cancellation, which waits for the current batch and saves.
    /// </summary>
    /// <param name="cancellation">Asks to stop.</param>
    /// <returns>Why it ended.</returns>
    /// <exception cref="TrainingDivergedException">
    /// A loss is no number; nothing is saved then beyond the last checkpoint.
    /// </exception>
    /// <exception cref="FrostlineException">Data cannot be read, shapes do not fit, or memory ran out.</exception>
    public RunEnd Run(CancellationToken cancellation)
    {
        try
        {
            while (State.Ended is null)
            {
                _epochClock.Restart();
                if (!TrainEpoch(cancellation)) return Cancelled();
                if (!TryValidate(cancellation, out var evaluation)) return Cancelled();
                EndEpoch(evaluation);
            }

            return State.Ended.Value;
        }
        catch (TrainingDivergedException)
        {
            WriteBest();
            throw;
        }
        catch (Exception error) when (MemoryHint.IsOutOfMemory(error))
        {
            throw MemoryHint.Explain(error, _parts.Loader.Options.BatchSize, _settings.Accumulate);
        }
        finally
        {
            _best?.Release();
            _best = null;
        }
    }

    /// <summary>Goes over to the plan of the current epoch; where it holds already, nothing happens.</summary>
    internal void EnterPhase() => _course.EnterPhase();

    private bool TrainEpoch(CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return false;
        _course.BeginEpoch();
        // A batch that was begun is finished; cancellation is looked at between batches.
        foreach (var batch in _parts.Loader.Epoch(State.Epoch, State.Batch, CancellationToken.None))
        {
            TrainBatch(batch);
            if (cancellation.IsCancellationRequested) return false;
            if (IsCheckpointDue()) Save();
        }

        _course.EndBatches();
        return true;
    }

    private void TrainBatch(HostBatch batch)
    {
        using var pause = FinalizerPause.Enter();
        using var scope = torch.NewDisposeScope();
        _course.Train(_batches.Prepare(batch, State.Epoch));
        Report(TrainingActivity.Train, State.Batch, _parts.Loader.BatchesPerEpoch);
    }

    private bool TryValidate(CancellationToken cancellation, out Evaluation? evaluation)
    {
        evaluation = null;
        if (_parts.Evaluator is null) return true;
        using var average = _course.Swap();
        try
        {
            evaluation = _parts.Evaluator.Run(
                done => Report(TrainingActivity.Validate, done, _parts.Evaluator.Batches), cancellation);
            return true;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    private void EndEpoch(Evaluation? evaluation)
    {
        var (prefixRows, storedRows) = TakeRows();
        var (epoch, isBest) = _course.EndEpoch(evaluation, _epochClock.Elapsed.TotalSeconds, prefixRows, storedRows);
        if (isBest) KeepBest();
        _epochClock.Restart();
        _parts.Metrics.Epoch(epoch);
        if (State.Ended is not null || !MayWait || _sinceCheckpoint.Elapsed >= s_betweenEpochs) Save();
        _parts.Observer.EpochEnded(epoch, isBest);
    }

    private void KeepBest()
    {
        using var average = _course.Swap();
        _best?.Release();
        _best = new KeptValues(TrainingPhases.Changing(_parts.Frozen));
    }

    /// <summary>Writes the best epoch's network, where it is not written yet.</summary>
    private void WriteBest()
    {
        if (_best is not { } best) return;
        best.Exchange();
        try
        {
            _parts.SaveModel(_parts.Folder.Best);
        }
        finally
        {
            best.Exchange();
        }

        best.Release();
        _best = null;
    }

    private RunEnd Cancelled()
    {
        Save();
        return RunEnd.Cancelled;
    }

    /// <summary>Whether the best network may wait to be written: not where a later phase may change what it does not keep.</summary>
    private bool MayWait => _parts.Plan is null or { PhaseEpochs.Count: 1, Plateaus: 0 };

    private bool IsCheckpointDue() =>
        (_settings.CheckpointEverySteps is { } steps && State.Pending == 0 && State.Step > 0 && State.Step % steps == 0)
        || (_settings.CheckpointEverySeconds is { } seconds && _sinceCheckpoint.Elapsed.TotalSeconds >= seconds);

    private void Save()
    {
        using var scope = torch.NewDisposeScope();
        WriteBest();
        _parts.Metrics.Flush();
        var (prefixRows, storedRows) = TakeRows();
        State = State with
        {
            EpochPrefixRows = State.EpochPrefixRows + prefixRows,
            EpochStoredRows = State.EpochStoredRows + storedRows,
            MetricsLength = _parts.Metrics.Length,
            Prefix = _parts.Prefix?.Invoke() ?? State.Prefix,
            EpochSeconds = State.EpochSeconds + _epochClock.Elapsed.TotalSeconds,
            Unreadable = [.. State.Unreadable.Union(_parts.Loader.Skipped.Select(s => s.Source), StringComparer.Ordinal)],
        };
        _epochClock.Restart();
        var metadata = new Dictionary<string, string>(_parts.CheckpointMetadata, StringComparer.Ordinal)
        {
            [TrainingCheckpoint.LedgerKey] = _parts.Frozen.Ledger.ToJson(),
        };
        TrainingCheckpoint.Write(_parts.Folder.Last, State, TrainingTensors.Of(_parts, pending: State.Pending > 0), metadata);
        _sinceCheckpoint.Restart();
    }

    /// <summary>What the runner has counted since it was last asked.</summary>
    private (long Prefix, long Stored) TakeRows()
    {
        var (before, now) = (_rows, (_parts.Runner.PrefixRows, _parts.Runner.StoredRows));
        _rows = now;
        return (now.PrefixRows - before.Prefix, now.StoredRows - before.Stored);
    }

    private void Report(TrainingActivity activity, int batch, int batches) => _parts.Observer.Progress(new TrainingProgress(
        activity,
        State.Epoch + 1,
        _settings.Epochs,
        batch,
        batches,
        _course.MeanLoss,
        _parts.Optimizer.LearningRate));
}
