using Frostline.Freezing;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>What the course of a training works with. Everything stays the caller's.</summary>
internal sealed record CourseParts
{
    /// <summary>The network, and how it is run.</summary>
    public required NetworkRunner Runner { get; init; }

    /// <summary>The freeze plan, applied to that network, in the phase in which training begins.</summary>
    public required FrozenModel Frozen { get; init; }

    /// <summary>The plan with all of its phases; null for a plan without.</summary>
    public FreezePlan? Plan { get; init; }

    /// <summary>Takes the audit between epochs; null for that of the frozen model.</summary>
    public Func<FreezeAudit>? Audit { get; init; }

    /// <summary>Is called when a phase has begun, with its first epoch, from 0; null for nobody.</summary>
    public Action<int>? PhaseBegan { get; init; }

    /// <summary>The optimizer over what the plan trains.</summary>
    public required NamedOptimizer Optimizer { get; init; }

    /// <summary>What is made small.</summary>
    public required Losses.ILoss Loss { get; init; }

    /// <summary>The moving average of what changes; null for none.</summary>
    public ExponentialAverage? Average { get; init; }

    /// <summary>How many batches an epoch has.</summary>
    public required int BatchesPerEpoch { get; init; }

    /// <summary>The numbers of the validation, and whether higher is better; null without validation.</summary>
    public IReadOnlyDictionary<string, bool>? Measured { get; init; }

    /// <summary>Is told what is to be known.</summary>
    public required ITrainingObserver Observer { get; init; }

    /// <summary>Is told of each step: the epoch from 1, the step from 1, its loss, the base learning rate; null for nobody.</summary>
    public Action<int, long, double, double>? Stepped { get; init; }
}

/// <summary>
/// The course of one training: what happens in a batch, a step and an epoch, whoever loads the batches and wherever results are kept. A pure
/// continuation of its <see cref="State"/>: libtorch's generator is seeded for every batch from (seed, epoch, batch), so that courses may take
/// turns on one thread, and each computes the bits that it computes alone.
/// </summary>
internal sealed class TrainingCourse
{
    private readonly CourseParts _parts;
    private readonly LoopSettings _settings;
    private readonly long _stepsPerEpoch;

    /// <summary>Prepares.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="settings">The training's numbers.</param>
    /// <param name="state">Where it begins.</param>
    /// <exception cref="FrostlineException">A metric that is referred to is not measured, or a plateau is waited for that nothing defines.</exception>
    public TrainingCourse(CourseParts parts, LoopSettings settings, TrainingState state)
    {
        (_parts, _settings, State) = (parts, settings, state);
        settings.Schedule.Validate();
        Require(settings.Best, "best");
        Require(settings.EarlyStopping?.Metric, "early-stopping");
        Require(settings.Plateau?.Metric, "plateau");
        Require(settings.Schedule.MonitoredMetric, $"the schedule {settings.Schedule.Name}");
        if (parts.Plan is { Plateaus: > 0 } && settings.Plateau is null)
            throw new FrostlineException("a rule of the plan waits for a plateau, and nothing says what one is; state a plateau");
        _stepsPerEpoch = (parts.BatchesPerEpoch + settings.Accumulate - 1) / settings.Accumulate;
    }

    /// <summary>Where the training is. Who keeps it on disk adds what only they know.</summary>
    public TrainingState State { get; set; }

    /// <summary>Whether enough batches have been learned from for a step; their gradients wait.</summary>
    public bool IsStepDue => State.Pending == _settings.Accumulate;

    /// <summary>The epoch's mean training loss so far; NaN where there is none.</summary>
    public double MeanLoss => State.LossWeight > 0 ? State.LossSum / State.LossWeight : double.NaN;

    /// <summary>Begins an epoch, or goes on with it: the plan, the learning rates and the network's mode are those of training in it.</summary>
    public void BeginEpoch()
    {
        EnterPhase();
        SetLearningRates(Math.Max(0, State.StepInEpoch - 1));
        _parts.Runner.Network.train();
    }

    /// <summary>Goes over to the plan of the current epoch; where it holds already, nothing happens.</summary>
    public void EnterPhase()
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

    /// <summary>Learns from a batch: forward, loss, backward, and a step where one is due.</summary>
    /// <param name="batch">The batch.</param>
    /// <exception cref="TrainingDivergedException">The loss is no number; nothing has changed then.</exception>
    public void Train(TrainingBatch batch)
    {
        using var scope = torch.NewDisposeScope();
        Reseed(batch.Number);
        Learn(batch, _parts.Runner.Run(batch.Fields, batch.Features));
        StepIfDue();
    }

    /// <summary>Seeds libtorch's generator for a batch of the current epoch; comes before everything that may draw.</summary>
    /// <param name="batch">Its position in the epoch, from 0.</param>
    public void Reseed(int batch)
    {
        var draw = new CounterRandom(_settings.Seed, FormattableString.Invariant($"batch:{State.Epoch}:{batch}")).NextUInt64();
        using var generator = torch.manual_seed((long)(draw >> 1));
    }

    /// <summary>Computes the loss of a batch and, backward, the gradients of what its outputs were computed from.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="outputs">What the network puts out for it.</param>
    /// <exception cref="TrainingDivergedException">The loss is no number; nothing has changed then.</exception>
    public void Learn(TrainingBatch batch, IReadOnlyDictionary<string, torch.Tensor> outputs)
    {
        var loss = _parts.Loss.Compute(outputs, batch.Fields);
        var value = loss.detach().to(torch.float64).item<double>();
        if (!double.IsFinite(value))
            throw TrainingDivergedException.Of(
                value, State.Epoch + 1, State.Step + 1, batch.Fields, batch.Sources, _parts.Runner.Network, _parts.Optimizer.Parameters);

        // Gradients are kept until here: if the loss is no number, those of the step before tell why.
        if (State.Pending == 0) _parts.Optimizer.ZeroGrad();
        var weight = _parts.Loss.WeightOf(outputs, batch.Fields);
        Backward(loss, weight);
        State = State with
        {
            Batch = batch.Number + 1,
            Pending = State.Pending + 1,
            PendingWeight = State.PendingWeight + weight,
            PendingLoss = State.PendingLoss + (value * weight),
            LossSum = State.LossSum + (value * weight),
            LossWeight = State.LossWeight + weight,
        };
    }

    /// <summary>Makes a step where enough batches have been learned from.</summary>
    public void StepIfDue()
    {
        if (IsStepDue) Step();
    }

    /// <summary>Ends the training part of an epoch: the last batches make a step of their own where they do not fill one.</summary>
    public void EndBatches()
    {
        if (State.Pending > 0) Step();
    }

    /// <summary>Puts the moving average into the network until the result is disposed; null where there is none.</summary>
    public IDisposable? Swap() => _parts.Average?.Swap();

    /// <summary>Ends an epoch: audit, best, early stopping, plateaus, the schedule.</summary>
    /// <param name="evaluation">The validation; null for none.</param>
    /// <param name="seconds">How long the epoch has taken since its time was last added to the state.</param>
    /// <param name="prefixRows">On how many rows the prefix was evaluated since these were last added to the state.</param>
    /// <param name="storedRows">How many rows came from a store; likewise.</param>
    /// <returns>The epoch, and whether it is the best so far.</returns>
    /// <exception cref="FreezeException">The audit was due and something moved.</exception>
    public (EpochSummary Epoch, bool IsBest) EndEpoch(Evaluation? evaluation, double seconds, long prefixRows, long storedRows)
    {
        Audit();
        var epoch = new EpochSummary(
            State.Epoch + 1,
            MeanLoss,
            evaluation?.ByName ?? new Dictionary<string, double>(StringComparer.Ordinal),
            State.EpochSeconds + seconds,
            _parts.Optimizer.LearningRates)
        {
            PrefixRows = State.EpochPrefixRows + prefixRows,
            StoredRows = State.EpochStoredRows + storedRows,
        };
        var isBest = evaluation is null || evaluation.Find(_settings.Best)!.IsBetterThan(State.Best?.Metrics[_settings.Best])
            || State.Best is null;
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
        return (epoch, isBest);
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
        _parts.Stepped?.Invoke(State.Epoch + 1, State.Step + 1, State.PendingLoss / State.PendingWeight, optimizer.LearningRate);
        State = State with
        {
            Step = State.Step + 1,
            StepInEpoch = State.StepInEpoch + 1,
            Pending = 0,
            PendingWeight = 0,
            PendingLoss = 0,
        };
    }

    /// <summary>Stops a training whose frozen tensors move, before anything of the epoch is kept.</summary>
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
    private static Metrics.MetricValue Monitored(string name, EpochSummary epoch, Evaluation? evaluation) =>
        evaluation?.Find(name) ?? new Metrics.MetricValue("loss", epoch.Loss, HigherIsBetter: false);

    private void Require(string? metric, string reader)
    {
        if (metric is null || string.Equals(metric, "loss", StringComparison.Ordinal)) return;
        if (_parts.Measured is not { } names)
            throw new FrostlineException(
                $"{reader} follows \"{metric}\", and there is no validation; give validation data or a split");
        if (!names.ContainsKey(metric))
            throw new FrostlineException($"{reader} follows \"{metric}\", which is not measured (there are: "
                + $"{string.Join(", ", names.Keys)}){NearestNames.Hint(metric, names.Keys)}");
    }
}
