using System.Diagnostics;
using Frostline.Freezing;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Metrics;
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
    private readonly TrainingParts _parts;
    private readonly LoopSettings _settings;
    private readonly Mixup? _mixup;
    private readonly Stopwatch _epochClock = new();
    private readonly Stopwatch _sinceCheckpoint = Stopwatch.StartNew();
    private readonly long _stepsPerEpoch;
    private (long Prefix, long Stored) _rows;

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
        (_parts, _settings, State) = (parts, settings, state);
        settings.Schedule.Validate();
        Require(settings.Best, "best");
        Require(settings.EarlyStopping?.Metric, "early-stopping");
        Require(settings.Plateau?.Metric, "plateau");
        Require(settings.Schedule.MonitoredMetric, $"the schedule {settings.Schedule.Name}");
        if (settings.Mixup is { } alpha)
        {
            if (settings.Classes is null)
                throw new FrostlineException("mixup mixes labels of classes, and the training data has none; leave mixup out");
            _mixup = new Mixup(alpha, settings.Seed);
        }

        if (parts.Plan is { Plateaus: > 0 } && settings.Plateau is null)
            throw new FrostlineException("a rule of the plan waits for a plateau, and nothing says what one is; state a plateau");
        _stepsPerEpoch = (parts.Loader.BatchesPerEpoch + settings.Accumulate - 1) / settings.Accumulate;
    }

    /// <summary>Where the training is.</summary>
    public TrainingState State { get; private set; }

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
        catch (Exception error) when (MemoryHint.IsOutOfMemory(error))
        {
            throw MemoryHint.Explain(error, _parts.Loader.Options.BatchSize, _settings.Accumulate);
        }
    }

    private bool TrainEpoch(CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return false;
        EnterPhase();
        SetLearningRates(Math.Max(0, State.StepInEpoch - 1));
        _parts.Runner.Network.train();
        // A batch that was begun is finished; cancellation is looked at between batches.
        foreach (var batch in _parts.Loader.Epoch(State.Epoch, State.Batch, CancellationToken.None))
        {
            TrainBatch(batch);
            if (cancellation.IsCancellationRequested) return false;
            if (IsCheckpointDue()) Save();
        }

        // The last batches of an epoch make a step of their own where they do not fill one.
        if (State.Pending > 0) Step();
        return true;
    }

    /// <summary>Goes over to the plan of the current epoch; where it holds already, nothing happens.</summary>
    internal void EnterPhase()
    {
        if (_parts.Plan is not { } plan) return;
        var known = _parts.Frozen.Phases.Count;
        var change = TrainingPhases.Enter(plan, _parts.Frozen, State.Epoch, State.Plateaus);
        if (_parts.Frozen.Phases.Count == known) return;
        _parts.Average?.Follow(TrainingPhases.Changing(_parts.Frozen));
        _parts.PhaseBegan?.Invoke(State.Epoch);
        var now = _parts.Frozen.Plan;
        _parts.Observer.Note(FormattableString.Invariant($"the plan from epoch {State.Epoch + 1} on, after {PhaseWords.EpochsBefore(State.Epoch + 1)}: {now.TrainedParameters} parameters trained, ")
            + FormattableString.Invariant($"{now.FrozenParameters} frozen, frost line {change.FrostLine ?? "none"}; ")
            + FormattableString.Invariant($"{change.Thawed.Count} tensors thawed, {change.Frozen.Count} froze{Gone(change)}"));
    }

    private static string Gone(PlanChange change)
    {
        if (change.Frozen.Count == 0) return "";
        var more = change.Frozen.Count > 4 ? $" and {change.Frozen.Count - 4} more" : "";
        return $"; gone from the optimizer with its state: {string.Join(", ", change.Frozen.Take(4))}{more}";
    }

    /// <summary>The rates of a step of this epoch; a resumed training shows those of its last one.</summary>
    private void SetLearningRates(int stepInEpoch) => _parts.Optimizer.SetLearningRates(
        _settings.Schedule, new SchedulePosition((State.Epoch * _stepsPerEpoch) + stepInEpoch, _stepsPerEpoch, _settings.Epochs), State.Schedule);

    private void TrainBatch(HostBatch batch)
    {
        using var pause = FinalizerPause.Enter();
        using var scope = torch.NewDisposeScope();
        var fields = HostTensors.Of(batch, _parts.Device);
        var (number, sources) = (batch.Number, batch.Sources);
        Reseed(number);
        _mixup?.Apply(fields, _parts.Runner.Inputs, _settings.Classes!.Value, State.Epoch, number);
        var features = _parts.Runner.Features(batch, fields);
        batch.Dispose();
        var outputs = _parts.Runner.Run(fields, features);
        var loss = _parts.Loss.Compute(outputs, fields);
        var value = loss.detach().to(torch.float64).item<double>();
        if (!double.IsFinite(value))
            throw TrainingDivergedException.Of(
                value, State.Epoch + 1, State.Step + 1, fields, sources, _parts.Runner.Network, _parts.Optimizer.Parameters);

        // Gradients are kept until here: if the loss is no number, those of the step before tell why.
        if (State.Pending == 0) _parts.Optimizer.ZeroGrad();
        var weight = _parts.Loss.WeightOf(outputs, fields);
        Backward(loss, weight);
        State = State with
        {
            Batch = number + 1,
            Pending = State.Pending + 1,
            PendingWeight = State.PendingWeight + weight,
            PendingLoss = State.PendingLoss + (value * weight),
            LossSum = State.LossSum + (value * weight),
            LossWeight = State.LossWeight + weight,
        };
        if (State.Pending == _settings.Accumulate) Step();
        Report(TrainingActivity.Train, number + 1, _parts.Loader.BatchesPerEpoch);
    }

    private void Backward(torch.Tensor loss, double weight)
    {
        if (_settings.Accumulate == 1)
        {
            loss.backward();
            return;
        }

        using Scalar factor = weight;
        loss.mul(factor).backward();
    }

    private void Step()
    {
        using var pause = FinalizerPause.Enter();
        var optimizer = _parts.Optimizer;
        SetLearningRates(State.StepInEpoch);
        if (_settings.Accumulate > 1 && State.PendingWeight > 0) Gradients.Scale(optimizer.Parameters, 1 / State.PendingWeight);
        if (_settings.ClipGradientNorm is { } most) Gradients.ClipByNorm(optimizer.Parameters, most);
        _parts.Frozen.Verify();
        optimizer.Step();
        _parts.Average?.Update();
        _parts.Metrics.Step(State.Epoch + 1, State.Step + 1, State.PendingLoss / State.PendingWeight, optimizer.LearningRate);
        State = State with
        {
            Step = State.Step + 1,
            StepInEpoch = State.StepInEpoch + 1,
            Pending = 0,
            PendingWeight = 0,
            PendingLoss = 0,
        };
    }

    private bool TryValidate(CancellationToken cancellation, out Evaluation? evaluation)
    {
        evaluation = null;
        if (_parts.Evaluator is null) return true;
        using var average = _parts.Average?.Swap();
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
        Audit();
        var (prefixRows, storedRows) = TakeRows();
        var epoch = new EpochSummary(
            State.Epoch + 1,
            State.LossWeight > 0 ? State.LossSum / State.LossWeight : double.NaN,
            evaluation?.ByName ?? new Dictionary<string, double>(StringComparer.Ordinal),
            State.EpochSeconds + _epochClock.Elapsed.TotalSeconds,
            _parts.Optimizer.LearningRates)
        {
            PrefixRows = State.EpochPrefixRows + prefixRows,
            StoredRows = State.EpochStoredRows + storedRows,
        };
        var isBest = evaluation is null || evaluation.Find(_settings.Best)!.IsBetterThan(State.Best?.Metrics[_settings.Best])
            || State.Best is null;
        if (isBest) SaveBest();
        var (stopping, ended) = Watch(epoch, evaluation);
        var (plateau, plateaus) = WatchPlateau(epoch, evaluation);
        State = State with
        {
            Epoch = State.Epoch + 1,
            Batch = 0,
            StepInEpoch = 0,
            LossSum = 0,
            LossWeight = 0,
            EpochSeconds = 0,
            EpochPrefixRows = 0,
            EpochStoredRows = 0,
            Schedule = AfterEpoch(epoch, evaluation),
            EarlyStopping = stopping,
            Plateau = plateau,
            Plateaus = plateaus,
            Best = isBest
                ? new BestSummary(
                    epoch.Epoch, evaluation is null ? null : _settings.Best, epoch.Metrics, evaluation?.Tables ?? [])
                : State.Best,
            Epochs = [.. State.Epochs, epoch],
            Ended = ended,
        };
        _epochClock.Restart();
        _parts.Metrics.Epoch(epoch);
        Save();
        _parts.Observer.EpochEnded(epoch, isBest);
    }

    /// <summary>Stops a training whose frozen tensors move, before anything of it is kept.</summary>
    private void Audit()
    {
        if (_settings.AuditEvery is not { } every || (State.Epoch + 1) % every != 0) return;
        var audit = _parts.Audit?.Invoke() ?? _parts.Frozen.Audit();
        if (audit.Moved.Count > 0)
            throw new FreezeException(FormattableString.Invariant($"the audit after epoch {State.Epoch + 1}: {audit}; find what changes them behind the plan's back, and go on from an earlier checkpoint"));
    }

    private (MetricWatchState State, IReadOnlyList<int> Plateaus) WatchPlateau(EpochSummary epoch, Evaluation? evaluation)
    {
        if (_settings.Plateau is not { } watch) return (State.Plateau, State.Plateaus);
        var value = Monitored(watch.Metric, epoch, evaluation);
        var state = watch.After(State.Plateau, value.Value, value.HigherIsBetter);
        // After a plateau patience begins anew; the best value stays.
        return watch.IsPlateau(state) ? (state with { BadEpochs = 0 }, [.. State.Plateaus, epoch.Epoch]) : (state, State.Plateaus);
    }

    private (MetricWatchState State, RunEnd? Ended) Watch(EpochSummary epoch, Evaluation? evaluation)
    {
        var state = State.EarlyStopping;
        if (_settings.EarlyStopping is { } stopping)
        {
            var value = Monitored(stopping.Metric, epoch, evaluation);
            state = stopping.After(state, value.Value, value.HigherIsBetter);
            if (stopping.IsPlateau(state) && epoch.Epoch < _settings.Epochs) return (state, RunEnd.StoppedEarly);
        }

        return (state, epoch.Epoch >= _settings.Epochs ? RunEnd.Finished : null);
    }

    private ScheduleState AfterEpoch(EpochSummary epoch, Evaluation? evaluation)
    {
        if (_settings.Schedule.MonitoredMetric is not { } name) return State.Schedule;
        var value = Monitored(name, epoch, evaluation);
        return _settings.Schedule.AfterEpoch(State.Schedule, value.Value, value.HigherIsBetter);
    }

    /// <summary>A number of the validation; without one, the training loss.</summary>
    private static MetricValue Monitored(string name, EpochSummary epoch, Evaluation? evaluation) =>
        evaluation?.Find(name) ?? new MetricValue("loss", epoch.Loss, HigherIsBetter: false);

    private void SaveBest()
    {
        using var average = _parts.Average?.Swap();
        _parts.SaveModel(_parts.Folder.Best);
    }

    private RunEnd Cancelled()
    {
        Save();
        return RunEnd.Cancelled;
    }

    private bool IsCheckpointDue() =>
        (_settings.CheckpointEverySteps is { } steps && State.Pending == 0 && State.Step > 0 && State.Step % steps == 0)
        || (_settings.CheckpointEverySeconds is { } seconds && _sinceCheckpoint.Elapsed.TotalSeconds >= seconds);

    private void Save()
    {
        using var scope = torch.NewDisposeScope();
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

    private void Reseed(int batch)
    {
        var draw = new CounterRandom(_settings.Seed, FormattableString.Invariant($"batch:{State.Epoch}:{batch}")).NextUInt64();
        using var generator = torch.manual_seed((long)(draw >> 1));
    }

    private void Report(TrainingActivity activity, int batch, int batches) => _parts.Observer.Progress(new TrainingProgress(
        activity,
        State.Epoch + 1,
        _settings.Epochs,
        batch,
        batches,
        State.LossWeight > 0 ? State.LossSum / State.LossWeight : double.NaN,
        _parts.Optimizer.LearningRate));

    private void Require(string? metric, string reader)
    {
        if (metric is null || string.Equals(metric, "loss", StringComparison.Ordinal)) return;
        if (_parts.Evaluator is not { } evaluator)
            throw new FrostlineException(
                $"{reader} follows \"{metric}\", and there is no validation; give validation data or a split");
        if (!evaluator.Names.ContainsKey(metric))
            throw new FrostlineException($"{reader} follows \"{metric}\", which is not measured (there are: "
                + $"{string.Join(", ", evaluator.Names.Keys)}){NearestNames.Hint(metric, evaluator.Names.Keys)}");
    }
}
