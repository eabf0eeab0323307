using System.Diagnostics;
using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Staging;

namespace Frostline.Bench;

/// <summary>Reading a feature store of 2048 numbers a record, in batches of 256 in random order, on one thread.</summary>
internal static class StoreReading
{
    private const int Features = 2048;
    private const int RecordBytes = Features * sizeof(float);
    private const int Records = 40_000;
    private const int Batch = 256;
    private const int Rounds = 9;
    private const double LimitGigabytes = 1;

    public static int Run()
    {
        var root = Path.Combine(Repository.Artifacts, "features");
        if (Directory.Exists(root)) Directory.Delete(root, recursive: true);
        var keys = Enumerable.Range(0, Records).Select(i => FeatureKey.Of((UInt128)(uint)i, "bench")).ToArray();
        var writing = Write(root, keys);
        new Random(1).Shuffle(keys);

        var (first, second) = (new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            using var store = Open(root);
            first.Add(Read(store, keys, ahead: false));
            second.Add(Read(store, keys, ahead: false));
        }

        var cold = Cold(root, keys, ahead: false);
        var ahead = Cold(root, keys, ahead: true);
        var warm = Medians.Of(second);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"""
            | feature store, {Records} records of {RecordBytes} bytes, one thread | GB/s |
            | --- | ---: |
            | written, record by record | {writing:F2} |
            | warm, first read in a process, with checksums | {Medians.Of(first):F2} |
            | warm, read again | {warm:F2} |
            | copied from array to array in the same order | {Copy(keys.Length):F2} |
            | cold, without reading ahead | {cold:F2} |
            | cold, the next 16 batches prefetched | {ahead:F2} |
            | limit for warm | {LimitGigabytes:F2} |
            """));
        Directory.Delete(root, recursive: true);
        return warm >= LimitGigabytes ? 0 : 1;
    }

    private static FeatureStore Open(string root) => FeatureStore.Open(
        root, new string('0', 32), new FeatureSchema(new TensorInfo("features", TensorType.Float32, [Features])),
        new FeatureStoreOptions { ReadThreads = 1 });

    private static double Write(string root, FeatureKey[] keys)
    {
        using var store = Open(root);
        var rows = new byte[Batch * RecordBytes];
        var clock = Stopwatch.StartNew();
        foreach (var chunk in keys.Chunk(Batch))
        {
            new Random(chunk.Length).NextBytes(rows);
            if (store.WriteBatch(chunk, rows) < chunk.Length) throw new InvalidOperationException(store.WritingStopped);
        }

        var speed = Gigabytes(clock);
        store.Flush();
        return speed;
    }

    private static double Read(FeatureStore store, FeatureKey[] keys, bool ahead)
    {
        var (rows, found) = (new byte[Batch * RecordBytes], new bool[Batch]);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < keys.Length; i += Batch)
        {
            var batch = keys.AsMemory(i, Math.Min(Batch, keys.Length - i));
            if (ahead && i % (16 * Batch) == 0) store.Prefetch(keys.AsSpan(i, Math.Min(16 * Batch, keys.Length - i)));
            if (store.ReadBatch(batch, [rows], found) < batch.Length) throw new InvalidOperationException("a record is missing");
        }

        return Gigabytes(clock);
    }

    private static double Cold(string root, FeatureKey[] keys, bool ahead)
    {
        PageCache.Evict(root);
        using var store = Open(root);
        return Read(store, keys, ahead);
    }

    private static double Copy(int count)
    {
        var (from, to, order) = (new byte[(long)Records * RecordBytes], new byte[Batch * RecordBytes], new int[count]);
        for (var i = 0; i < count; i++) order[i] = i;
        new Random(1).Shuffle(order);
        from.AsSpan().Fill(1);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < count; i++)
            from.AsSpan(order[i] * RecordBytes, RecordBytes).CopyTo(to.AsSpan(i % Batch * RecordBytes));
        return Gigabytes(clock);
    }

    private static double Gigabytes(Stopwatch clock) => (double)Records * RecordBytes / 1e9 / clock.Elapsed.TotalSeconds;
}
