using Frostline.Training.Features;

namespace Frostline.Training.Data;

/// <summary>
/// Reads a data set in batches, ahead of the consumer. Worker threads read, decode and transform; they touch managed memory only.
/// Batches arrive in one order, whatever the number of workers: the order is a function of (seed, epoch), and what random
/// transforms draw is a function of (seed, epoch, index), so an epoch that is started in its middle continues exactly.
/// </summary>
/// <remarks>
/// A sample that balanced sampling visits again in an epoch draws anew: its generator's name then also holds how often it
/// was visited before.
/// </remarks>
public sealed class BatchLoader : IDisposable
{
    // Fields a sample may have before reuse of arrays becomes incomplete; more is allowed.
    private const int FieldsInReserve = 4;

    private readonly ArrayReserve _reserve;
    private readonly CancellationTokenSource _disposed = new();
    private readonly List<SkippedSample> _skipped = [];
    private readonly HashSet<int> _skippedIndices = [];

    /// <summary>Creates a loader; nothing is read before an epoch is enumerated.</summary>
    /// <param name="dataset">What to read; its <see cref="IDataset.Read"/> is called on several threads at once.</param>
    /// <param name="options">How to read it.</param>
    /// <exception cref="FrostlineException">A number in the options is not positive, or an epoch would have no batch.</exception>
    public BatchLoader(IDataset dataset, BatchLoaderOptions options)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentNullException.ThrowIfNull(options);
        RequirePositive(options.BatchSize, "batch size");
        RequirePositive(options.Workers, "number of data workers");
        RequirePositive(options.BatchesAhead, "number of batches ahead");
        Dataset = dataset;
        Options = options;
        BatchesPerEpoch = options.DropLast
            ? dataset.Count / options.BatchSize
            : (int)(((long)dataset.Count + options.BatchSize - 1) / options.BatchSize);
        if (BatchesPerEpoch == 0)
        {
            throw new FrostlineException(dataset.Count == 0
                ? "the data set has no samples"
                : $"the data set has {dataset.Count} samples, not one full batch of {options.BatchSize}; "
                  + "lower the batch size or keep the last batch");
        }

        _reserve = new ArrayReserve((options.BatchesAhead + 2) * FieldsInReserve);
    }

    /// <summary>What is read.</summary>
    public IDataset Dataset { get; }

    /// <summary>How it is read.</summary>
    public BatchLoaderOptions Options { get; }

    /// <summary>
    /// The number of batches in an epoch, at least one. Fewer are delivered where whole batches are unreadable and skipped.
    /// </summary>
    public int BatchesPerEpoch { get; }

    /// <summary>Samples skipped so far in what was delivered, each once, in the order in which they were met.</summary>
    public IReadOnlyList<SkippedSample> Skipped => _skipped;

    /// <summary>
    /// Where the features of samples are kept, for epochs that are begun from now on; null for samples as they are. With it batches have
    /// <see cref="HostBatch.Features"/> in the place of the fields that the frozen prefix reads.
    /// </summary>
    internal FeatureCache? Features { get; set; }

    /// <summary>
    /// Where stored features outgrow memory, how many samples are shuffled among themselves, see <see cref="SampleOrder.InChunks"/>, and read
    /// ahead together, for epochs that are begun from now on; null where they do not.
    /// </summary>
    internal int? ShuffleChunk { get; set; }

    /// <summary>The batches of an epoch. Reading ahead starts with the enumeration and stops with its end.</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="firstBatch">
    /// The batch to start with, from 0; the remaining batches are the very same as in a whole epoch. With
    /// <see cref="BatchesPerEpoch"/> there is none left.
    /// </param>
    /// <param name="cancellation">Ends the enumeration with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A number is negative, or the first batch lies behind the epoch's end.
    /// </exception>
    /// <exception cref="UnreadableSampleException">
    /// While enumerating: a sample cannot be read and the policy is to fail.
    /// </exception>
    /// <exception cref="FrostlineException">
    /// While enumerating: samples of a batch differ in shape, or no sample of the epoch can be read.
    /// </exception>
    public IEnumerable<HostBatch> Epoch(int epoch, int firstBatch = 0, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNegative(firstBatch);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstBatch, BatchesPerEpoch);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        return Enumerate(epoch, firstBatch, cancellation);
    }

    /// <summary>Stops reading; running enumerations end with an <see cref="OperationCanceledException"/>.</summary>
    public void Dispose() => _disposed.Cancel();

    private IEnumerable<HostBatch> Enumerate(int epoch, int firstBatch, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _disposed.Token);
        stop.Token.ThrowIfCancellationRequested();
        var order = ShuffleChunk is { } chunk && Options.Sampling == SamplingMode.Shuffled
            ? SampleOrder.InChunks(Dataset.Count, chunk, Options.Seed, epoch)
            : SampleOrder.Of(Dataset, Options.Sampling, Options.Seed, epoch);
        using var reader = new EpochReader(
            Dataset, Options, Features, ShuffleChunk, order, epoch, firstBatch, BatchesPerEpoch, _reserve, stop.Token);
        List<SkippedSample> pending = [];
        var delivered = 0;
        for (var number = firstBatch; number < BatchesPerEpoch; number++)
        {
            var read = reader.Take(number);
            foreach (var sample in read.Skipped)
            {
                pending.Add(sample);
                if (_skippedIndices.Add(sample.Index)) _skipped.Add(sample);
            }

            if (read.Fields is null) continue;
            var batch = new HostBatch(number, read.Fields, read.Indices, read.Sources, pending, Release) { Features = read.Features };
            pending = [];
            delivered++;
            yield return batch;
        }

        if (delivered == 0 && firstBatch == 0)
            throw new FrostlineException($"none of the {pending.Count} samples can be read; the first: {pending[0].Reason}");
    }

    private void Release(HostBatch batch)
    {
        foreach (var field in batch.Fields.Values) _reserve.Give(field.Values);
        if (batch.Features is not { } features) return;
        foreach (var values in features.Values) _reserve.Give(values);
        foreach (var input in features.Inputs?.Values ?? []) _reserve.Give(input.Values);
    }

    private static void RequirePositive(int value, string what)
    {
        if (value < 1) throw new FrostlineException($"the {what} is {value}; it has to be at least 1");
    }
}
