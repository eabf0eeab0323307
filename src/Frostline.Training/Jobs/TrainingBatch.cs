using Frostline.Training.Data;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>A batch as a training learns from it; its tensors belong to the dispose scope in which it was prepared.</summary>
/// <param name="Number">Its position in the epoch, from 0.</param>
/// <param name="Sources">Where its samples come from, by row.</param>
/// <param name="Fields">Its fields by name; borrowed, whoever reads them must not change them.</param>
/// <param name="Features">What the frozen prefix puts out for it; null where no prefix is in use.</param>
internal sealed record TrainingBatch(
    int Number,
    IReadOnlyList<string> Sources,
    IReadOnlyDictionary<string, torch.Tensor> Fields,
    IReadOnlyDictionary<string, torch.Tensor>? Features);

/// <summary>Makes of a loader's batches what a training, or several with equal batches, learn from: tensors, mixed and with features.</summary>
internal sealed class BatchPreparation
{
    private readonly NetworkRunner _runner;
    private readonly torch.Device _device;
    private readonly Mixup? _mixup;
    private readonly Mixup? _featureMixup;
    private readonly FeatureBrightness? _featureBrightness;
    private readonly int _classes;

    /// <summary>Prepares.</summary>
    /// <param name="runner">Computes the features.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="settings">Whether batches or their features are mixed or changed, and how.</param>
    /// <exception cref="FrostlineException">Mixup has no classes to mix.</exception>
    public BatchPreparation(NetworkRunner runner, torch.Device device, LoopSettings settings)
    {
        (_runner, _device) = (runner, device);
        if (settings.FeatureBrightness is { } strength) _featureBrightness = new FeatureBrightness(strength, settings.Seed);
        if ((settings.Mixup ?? settings.FeatureMixup) is null) return;
        _classes = settings.Classes
            ?? throw new FrostlineException("mixup mixes labels of classes, and the training data has none; leave mixup out");
        if (settings.Mixup is { } alpha) _mixup = new Mixup(alpha, settings.Seed);
        if (settings.FeatureMixup is { } beta) _featureMixup = new Mixup(beta, settings.Seed);
    }

    /// <summary>Prepares a batch.</summary>
    /// <param name="batch">The batch; it is disposed.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    public TrainingBatch Prepare(HostBatch batch, int epoch)
    {
        var fields = HostTensors.Of(batch, _device);
        _mixup?.Apply(fields, _runner.Inputs, _classes, epoch, batch.Number);
        var features = Augmented(_runner.Features(batch, fields), fields, epoch, batch.Number);
        var prepared = new TrainingBatch(batch.Number, batch.Sources, fields, features);
        batch.Dispose();
        return prepared;
    }

    private IReadOnlyDictionary<string, torch.Tensor>? Augmented(
        IReadOnlyDictionary<string, torch.Tensor>? features, Dictionary<string, torch.Tensor> fields, int epoch, int batch)
    {
        if (features is null || (_featureMixup is null && _featureBrightness is null)) return features;
        var changed = new Dictionary<string, torch.Tensor>(features, StringComparer.Ordinal);
        _featureBrightness?.Apply(changed, epoch, batch);
        _featureMixup?.ApplyToFeatures(changed, fields, _classes, epoch, batch);
        return changed;
    }
}
