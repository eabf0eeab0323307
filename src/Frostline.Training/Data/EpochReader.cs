using System.Runtime.ExceptionServices;
using Frostline.Training.Features;

namespace Frostline.Training.Data;

/// <summary>What the workers made of a batch's samples; <see cref="Fields"/> is null where all of them were skipped.</summary>
internal sealed record ReadBatch(
    IReadOnlyDictionary<string, SampleTensor>? Fields,
    IReadOnlyList<int> Indices,
    IReadOnlyList<string> Sources,
    IReadOnlyList<SkippedSample> Skipped,
    HostFeatures? Features);

/// <summary>
/// The worker threads of one epoch. They take single samples, in order, so that all of them work on the batch that is needed
/// next; whoever finishes a batch's last sample collates it. A worker waits while the sample that is next belongs to a batch too
/// far ahead.
/// </summary>
internal sealed class EpochReader : IDisposable
{
    private readonly IDataset _dataset;
    private readonly BatchLoaderOptions _options;
    private readonly FeatureCache? _features;
    private readonly int? _chunk;
    private readonly int[] _order;
    private readonly int[] _repeats;
    private readonly int _epoch;
    private readonly int _end;
    private readonly ArrayReserve _reserve;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _wake;
    private readonly Thread[] _threads;
    private readonly object _lock = new();
    private readonly Dictionary<int, BatchInWork> _work = [];
    private int _next;
    private int _taken;
    private bool _stopped;

    public EpochReader(
        IDataset dataset,
        BatchLoaderOptions options,
        FeatureCache? features,
        int? chunk,
        int[] order,
        int epoch,
        int firstBatch,
        int batches,
        ArrayReserve reserve,
        CancellationToken cancellation)
    {
        (_dataset, _options, _features, _chunk, _order, _epoch, _reserve, _cancellation) =
            (dataset, options, features, chunk, order, epoch, reserve, cancellation);
        _repeats = SampleOrder.Repeats(order);
        _taken = firstBatch;
        _next = (int)Math.Min((long)firstBatch * options.BatchSize, order.Length);
        _end = (int)Math.Min((long)batches * options.BatchSize, order.Length);
        _wake = cancellation.Register(Stop);
        _threads = new Thread[Math.Min(options.Workers, Math.Max(1, _end - _next))];
        for (var i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"frostline data {i}" };
            _threads[i].Start();
        }
    }

    /// <summary>Waits for a batch, which has to be the one after the batch that was taken last.</summary>
    public ReadBatch Take(int number)
    {
        BatchInWork? batch;
        lock (_lock)
        {
            while (!_stopped && !(_work.TryGetValue(number, out batch) && batch.IsDone)) Monitor.Wait(_lock);
            _cancellation.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_stopped, this);
            _work.Remove(number, out batch);
            _taken = number + 1;
            Monitor.PulseAll(_lock);
        }

        return batch!.Result();
    }

    /// <summary>Stops the workers and waits until each has finished the sample that it holds.</summary>
    public void Dispose()
    {
        _wake.Dispose();
        Stop();
        foreach (var thread in _threads) thread.Join();
    }

    private void Stop()
    {
        lock (_lock)
        {
            _stopped = true;
            Monitor.PulseAll(_lock);
        }
    }

    private void Work()
    {
        while (TryClaim(out var batch, out var position))
        {
            try
            {
                ReadAhead(position);
                batch.Set(position, Read(position));
            }
            catch (UnreadableSampleException error) when (_options.Unreadable == UnreadablePolicy.Skip)
            {
                batch.Skip(position, new SkippedSample(_order[position], error.SampleSource, error.Message));
            }
#pragma warning disable CA1031 // Whatever a worker meets is thrown again, as it is, on the consumer's thread.
            catch (Exception error)
#pragma warning restore CA1031
            {
                batch.Fail(position, error);
            }

            if (!batch.Complete()) continue;
            batch.Collate(_reserve, _features);
            lock (_lock)
            {
                batch.IsDone = true;
                Monitor.PulseAll(_lock);
            }
        }
    }

    private bool TryClaim(out BatchInWork batch, out int position)
    {
        lock (_lock)
        {
            while (!_stopped && _next < _end && _next / _options.BatchSize >= _taken + _options.BatchesAhead) Monitor.Wait(_lock);
            if (_stopped || _next >= _end)
            {
                (batch, position) = (null!, 0);
                return false;
            }

            position = _next++;
            var number = position / _options.BatchSize;
            if (!_work.TryGetValue(number, out batch!))
            {
                var first = number * _options.BatchSize;
                batch = new BatchInWork(first, Math.Min(_options.BatchSize, _end - first));
                _work.Add(number, batch);
            }

            return true;
        }
    }

    /// <summary>At the beginning of each stretch, has the next one's features read into the system's cache.</summary>
    private void ReadAhead(int position)
    {
        if (_features is null || _chunk is not { } chunk) return;
        // The epoch's first samples are read without having been asked for.
        if (position % chunk != 0) return;
        var (start, end) = (Math.Min(position + chunk, _end), Math.Min(position + (2 * chunk), _end));
        _features.Prefetch(Enumerable.Range(start, end - start).Select(next => (_order[next], _repeats[next])), _epoch);
    }

    private DecodedSample Read(int position)
    {
        var index = _order[position];
        if (_features is not null) return _features.Read(index, _epoch, _repeats[position]);
        var sample = _dataset.Read(index);
        if (_options.Transforms.Count > 0)
        {
            var random = AugmentationRandom.Of(_options.Seed, _epoch, index, _repeats[position]);
            foreach (var transform in _options.Transforms) transform.Apply(sample, random);
        }

        return new DecodedSample(
            index,
            sample.Source,
            [.. sample.Fields.OrderBy(f => f.Key, StringComparer.Ordinal)
                .Select(f => KeyValuePair.Create(f.Key, f.Value.ToTensor()))]);
    }

    /// <summary>The slots of a batch; each is written by one worker, the whole is read by the one that completes it.</summary>
    private sealed class BatchInWork(int first, int count)
    {
        private readonly object?[] _slots = new object?[count];
        private int _open = count;
        private ReadBatch? _result;
        private ExceptionDispatchInfo? _error;

        /// <summary>Guarded by the reader's lock.</summary>
        public bool IsDone { get; set; }

        public void Set(int position, DecodedSample sample) => _slots[position - first] = sample;

        public void Skip(int position, SkippedSample sample) => _slots[position - first] = sample;

        public void Fail(int position, Exception error) => _slots[position - first] = ExceptionDispatchInfo.Capture(error);

        public bool Complete() => Interlocked.Decrement(ref _open) == 0;

        public void Collate(ArrayReserve reserve, FeatureCache? features)
        {
            // The first error by position, not by time: which one is thrown must not depend on the threads.
            _error = _slots.OfType<ExceptionDispatchInfo>().FirstOrDefault();
            if (_error is not null) return;
            DecodedSample[] samples = [.. _slots.OfType<DecodedSample>()];
            try
            {
                var fields = samples.Length == 0 ? null : Collation.Collate(samples, reserve);
                _result = new ReadBatch(
                    fields,
                    [.. samples.Select(s => s.Index)],
                    [.. samples.Select(s => s.Source)],
                    [.. _slots.OfType<SkippedSample>()],
                    samples.Length == 0 ? null : features?.Gather(samples, reserve));
            }
#pragma warning disable CA1031 // Thrown again, as it is, on the consumer's thread.
            catch (Exception error)
#pragma warning restore CA1031
            {
                _error = ExceptionDispatchInfo.Capture(error);
            }

            Array.Clear(_slots);
        }

        public ReadBatch Result()
        {
            _error?.Throw();
            return _result!;
        }
    }
}
