using Frostline.Native;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using TorchSharp;

namespace Frostline.Training.Sweeps;

/// <summary>
/// Trials whose batches are equal, because seed, batch size, sampling, mixup and brightness are: each batch is loaded once, what the frozen prefix puts out for
/// it is computed or read once, and all of them learn from it: heads that are single linear layers of one shape by one matrix product
/// (<see cref="StackedHeads"/>), all others in turn.
/// </summary>
internal sealed class TrialGroup : IDisposable
{
    private readonly List<Trial> _trials = [];
    private readonly BatchLoader _train;
    private readonly BatchLoader? _validate;
    private BatchPreparation? _batches;
    private StackedHeads? _stack;
    private bool _isNew;

    /// <summary>Opens the data; no sample is read yet.</summary>
    /// <param name="recipe">The recipe of one of the trials.</param>
    /// <exception cref="FrostlineException">Something about the data is wrong.</exception>
    public TrialGroup(Recipe recipe)
    {
        Recipe = recipe;
        Data = TrainingData.Open(recipe);
        _train = Data.TrainLoader();
        _validate = Data.ValidateLoader();
    }

    /// <summary>The recipe of one of the trials.</summary>
    public Recipe Recipe { get; }

    /// <summary>What is trained and validated on.</summary>
    public TrainingData Data { get; }

    /// <summary>The loader of what is trained on.</summary>
    public BatchLoader Train => _train;

    /// <summary>The loader of what is validated on; null for none.</summary>
    public BatchLoader? Validate => _validate;

    /// <summary>The trials.</summary>
    public IReadOnlyList<Trial> Trials => _trials;

    /// <summary>Whether a trial goes on.</summary>
    public bool IsActive => _trials.Exists(trial => trial.IsActive);

    /// <summary>How many batches an epoch has, those of the validation included.</summary>
    public int Batches => _train.BatchesPerEpoch + (_validate?.BatchesPerEpoch ?? 0);

    /// <summary>Of how many trials the heads are, or were, computed as one; 0 where each is computed by itself.</summary>
    public int Stacked { get; private set; }

    /// <summary>On how many rows the prefix was evaluated for the group.</summary>
    public long PrefixRows => _trials[0].Runner.PrefixRows;

    /// <summary>How many rows of features came from the store for it.</summary>
    public long StoredRows => _trials[0].Runner.StoredRows;

    /// <summary>What makes two trials' batches equal.</summary>
    /// <param name="recipe">The recipe of a trial.</param>
    public static (long Seed, int BatchSize, SamplingMode Sampling, double? Mixup, double? FeatureMixup, double? FeatureBrightness) KeyOf(Recipe recipe) =>
        (recipe.Seed, recipe.Train.BatchSize, recipe.Train.Sampling, recipe.Train.Mixup, recipe.Train.FeatureMixup, recipe.Train.FeatureBrightness);

    /// <summary>Adds a trial. The first one's runner computes the features of all.</summary>
    /// <param name="trial">The trial; the group disposes it.</param>
    /// <param name="device">Where it is.</param>
    public void Add(Trial trial, torch.Device device)
    {
        _trials.Add(trial);
        _batches ??= Recipe.At("train", () => new BatchPreparation(trial.Runner, device, trial.Settings));
    }

    /// <summary>Goes through an epoch with all trials that go on, validation included.</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="progress">Is told what is being done, and how many batches of the group's epoch are done.</param>
    /// <param name="cancellation">Asks to stop after the current batch.</param>
    /// <returns>False where it was stopped; the epoch does not count then.</returns>
    public bool RunEpoch(int epoch, Action<TrainingActivity, int> progress, CancellationToken cancellation)
    {
        foreach (var trial in Active()) trial.Course.BeginEpoch();
        Unstack();
        foreach (var host in _train.Epoch(epoch, 0, CancellationToken.None))
        {
            var number = host.Number;
            TrainBatch(host, epoch);
            progress(TrainingActivity.Train, number + 1);
            if (cancellation.IsCancellationRequested) return false;
            if (!IsActive) return true;
        }

        foreach (var trial in Active()) trial.Course.EndBatches();
        return TryValidate(done => progress(TrainingActivity.Validate, _train.BatchesPerEpoch + done), cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Unstack();
        foreach (var trial in _trials) trial.Dispose();
        _train.Dispose();
        _validate?.Dispose();
    }

    private List<Trial> Active() => _trials.FindAll(trial => trial.IsActive);

    private void TrainBatch(HostBatch host, int epoch)
    {
        using var pause = FinalizerPause.Enter();
        using var scope = torch.NewDisposeScope();
        var batch = _batches!.Prepare(host, epoch);
        if (_isNew) Stack(batch);
        if (_stack is not null) _stack.Train(batch);
        else foreach (var trial in Active()) trial.Try(course => course.Train(batch));
    }

    /// <summary>Computes the heads of the trials that go on as one, from this batch on, where they are such that it can be done.</summary>
    private void Stack(TrainingBatch batch)
    {
        _isNew = false;
        var shapes = batch.Features?.ToDictionary(feature => feature.Key, IReadOnlyList<long> (feature) => feature.Value.shape, StringComparer.Ordinal);
        _stack = shapes is null ? null : StackedHeads.Of(Active(), shapes);
        Stacked = Math.Max(Stacked, _stack?.Trials.Count() ?? 0);
    }

    /// <summary>Has the heads stacked anew, since trials may have ended.</summary>
    private void Unstack()
    {
        _stack?.Dispose();
        _stack = null;
        _isNew = true;
    }

    private bool TryValidate(Action<int> progress, CancellationToken cancellation)
    {
        var trials = Active();
        var averages = new List<IDisposable?>();
        try
        {
            foreach (var trial in trials) averages.Add(trial.Course.Swap());
            if (_validate is not null) Measure(trials, _validate, progress, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            foreach (var average in averages) average?.Dispose();
        }

        foreach (var trial in trials) trial.Course.EndEpoch(trial.Evaluator?.Result(), seconds: 0, prefixRows: 0, storedRows: 0);
        return true;
    }

    private void Measure(List<Trial> trials, BatchLoader loader, Action<int> progress, CancellationToken cancellation)
    {
        using var noGrad = torch.no_grad();
        foreach (var trial in trials) trial.Evaluator!.Begin();
        foreach (var host in loader.Epoch(0, 0, cancellation))
        {
            using var pause = FinalizerPause.Enter();
            using var scope = torch.NewDisposeScope();
            var fields = HostTensors.Of(host, torch.CPU);
            var features = _trials[0].Runner.Features(host, fields);
            var number = host.Number;
            host.Dispose();
            if (_stack is not null) _stack.Measure(fields, features!);
            else foreach (var trial in trials) MeasureBatch(trial, fields, features);
            progress(number + 1);
        }
    }

    private static void MeasureBatch(
        Trial trial, IReadOnlyDictionary<string, torch.Tensor> fields, IReadOnlyDictionary<string, torch.Tensor>? features)
    {
        using var scope = torch.NewDisposeScope();
        trial.Evaluator!.Add(fields, trial.Runner.Run(fields, features));
    }
}
