using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Native;

namespace Frostline.Initialization;

/// <summary>
/// Reads a checkpoint once from its beginning to its end, on all physical cores: each part goes into the parameter that wants it,
/// and is hashed while it is in the cache.
/// </summary>
internal sealed class CheckpointLoading
{
    // Fits into the second-level cache of every processor, and is a multiple of every element size.
    private const int Part = 1 << 18;

    private readonly Checkpoint _checkpoint;
    private readonly ILookup<string, (PlannedTensor Tensor, Adaptation? Adaptation)> _targets;
    private readonly ConcurrentDictionary<string, long> _notFinite = new(StringComparer.Ordinal);

    /// <param name="checkpoint">The open checkpoint.</param>
    /// <param name="targets">
    /// The tensors that take its values, by its names, and how these are adapted; none where nothing is to be written.
    /// </param>
    public CheckpointLoading(Checkpoint checkpoint, ILookup<string, (PlannedTensor Tensor, Adaptation? Adaptation)> targets) =>
        (_checkpoint, _targets) = (checkpoint, targets);

    /// <summary>How many values are infinite or no number, by the checkpoint's names; only of tensors that were written, and only where there are any.</summary>
    public IReadOnlyDictionary<string, long> NotFinite => _notFinite;

    /// <summary>Reads all of it.</summary>
    /// <returns>The checkpoint's content hash.</returns>
    public string Run()
    {
        // Libtorch is asked for addresses here, on the calling thread; the others only move bytes.
        var jobs = _checkpoint.Tensors
            .Select(source => new Job(source, [.. _targets[source.Name].Select(target => new Place(target.Tensor, target.Adaptation))]))
            .ToList();
        var hashes = new ConcurrentBag<(TensorInfo, UInt128)>();
        var loop = new ParallelOptions { MaxDegreeOfParallelism = Processors.PhysicalCores };
        try
        {
            Parallel.ForEach(Partitioner.Create(jobs, EnumerablePartitionerOptions.NoBuffering), loop, job => hashes.Add((job.Source, Read(job))));
        }
        catch (AggregateException error)
        {
            // A stream or a disk that fails since it was verified; one reason is enough.
            ExceptionDispatchInfo.Throw(error.InnerExceptions[0]);
        }

        // What lies elsewhere, or is cast or adapted, is written by libtorch and so by this thread alone.
        foreach (var job in jobs)
            foreach (var place in job.Places)
                if (!IsDirect(place, job.Source)) Convert(job.Source, place);
        GC.KeepAlive(_targets);
        return ContentHash.Of(hashes);
    }

    private static bool IsDirect(Place place, TensorInfo source) =>
        place.Address != 0 && place.Adaptation is null && place.Target.Info.Type == source.Type;

    private unsafe UInt128 Read(Job job)
    {
        var hash = new XxHash128();
        var direct = job.Places.Where(place => IsDirect(place, job.Source)).ToList();
        var buffer = direct.Count > 0 ? [] : new byte[(int)Math.Min(Part, job.Source.ByteCount)];
        long notFinite = 0;
        for (long at = 0; at < job.Source.ByteCount; at += Part)
        {
            var count = (int)Math.Min(Part, job.Source.ByteCount - at);
            var part = direct.Count > 0 ? new Span<byte>((void*)(direct[0].Address + (nint)at), count) : buffer.AsSpan(0, count);
            _checkpoint.Read(job.Source, at, part);
            hash.Append(part);
            foreach (var other in direct.Skip(1)) part.CopyTo(new Span<byte>((void*)(other.Address + (nint)at), count));
            if (job.Places.Count > 0) notFinite += Elements.CountNotFinite(part, job.Source.Type);
        }

        if (notFinite > 0) _notFinite[job.Source.Name] = notFinite;
        return hash.GetCurrentHashAsUInt128();
    }

    private void Convert(TensorInfo source, Place place)
    {
        var target = place.Target;
        var bytes = new byte[source.ByteCount];
        _checkpoint.Read(source, bytes);
        if (place.Adaptation is { } adaptation)
        {
            bytes = adaptation.Apply(bytes, source.Type, target.Info);
        }
        else if (source.Type != target.Info.Type)
        {
            var cast = new byte[target.Info.ByteCount];
            Elements.Cast(bytes, source.Type, cast, target.Info.Type);
            bytes = cast;
        }

        TensorBytes.Write(target.Entry.Tensor, bytes);
    }

    /// <summary>A tensor of the checkpoint and where it goes.</summary>
    private sealed record Job(TensorInfo Source, IReadOnlyList<Place> Places);

    /// <summary>A tensor of the network, and where its elements lie row by row in main memory; zero where they do not.</summary>
    private sealed record Place(PlannedTensor Target, Adaptation? Adaptation)
    {
        public nint Address { get; } = TensorBytes.AddressOf(Target.Entry.Tensor);
    }
}
