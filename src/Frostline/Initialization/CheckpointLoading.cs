using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Native;

namespace Frostline.Initialization;

/// <summary>
/// Reads a checkpoint once from its beginning to its end, on all physical cores: each part is hashed
/// while it is in the cache, and goes into the parameter that wants it.
/// </summary>
internal sealed class CheckpointLoading
{
    // Stays in the second-level cache of every processor; a multiple of every element size.
    private const int Part = 1 << 16;

    private readonly Checkpoint _checkpoint;
    private readonly ILookup<string, LoadTarget> _targets;
    private readonly ConcurrentDictionary<string, long> _notFinite = new(StringComparer.Ordinal);

    /// <param name="checkpoint">The open checkpoint.</param>
    /// <param name="targets">
    /// The tensors that take its values, by its names, and how these are adapted; none where nothing is to be written.
    /// </param>
    public CheckpointLoading(Checkpoint checkpoint, ILookup<string, LoadTarget> targets) => (_checkpoint, _targets) = (checkpoint, targets);

    /// <summary>How many values are infinite or no number, by the checkpoint's names; only of tensors that were written, and only where there are any.</summary>
    public IReadOnlyDictionary<string, long> NotFinite => _notFinite;

    /// <summary>Reads all of it, or what is wanted of it where its hash is known already.</summary>
    /// <returns>The checkpoint's content hash.</returns>
    public string Run()
    {
        var known = _checkpoint.KnownHash;
        // Libtorch is asked for addresses here, on the calling thread; the others only move bytes.
        var jobs = _checkpoint.Tensors
            .Where(source => known is null || _targets.Contains(source.Name))
            .Select(source => new Job(source, [.. _targets[source.Name].Select(target => new Place(target.Tensor, target.Adaptation))]))
            .ToList();
        var hashes = new HashedTensor[jobs.Count];
        var loop = new ParallelOptions { MaxDegreeOfParallelism = Processors.PhysicalCores };
        try
        {
            Parallel.For(
                0,
                jobs.Count,
                loop,
                () => new byte[Part],
                (i, _, buffer) =>
                {
                    hashes[i] = new HashedTensor(jobs[i].Source, Read(jobs[i], buffer, isHashed: known is null));
                    return buffer;
                },
                _ => { });
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
        return _checkpoint.KnownHash = known ?? ContentHash.Of(hashes);
    }

    private static bool IsDirect(Place place, TensorInfo source) =>
        place.Address != 0 && place.Adaptation is null && place.Target.Info.Type == source.Type;

    private unsafe UInt128 Read(Job job, byte[] buffer, bool isHashed)
    {
        var hash = new XxHash128();
        var direct = job.Places.Where(place => IsDirect(place, job.Source)).ToList();
        // What lies in the file as it is wanted is looked at where it lies.
        var place = _checkpoint.PlaceOf(job.Source);
        using var lease = place is null ? default : place.Value.Bytes.Lease();
        long notFinite = 0;
        for (long at = 0; at < job.Source.ByteCount; at += Part)
        {
            var count = (int)Math.Min(Part, job.Source.ByteCount - at);
            ReadOnlySpan<byte> part;
            if (place is null)
            {
                _checkpoint.Read(job.Source, at, buffer.AsSpan(0, count));
                part = buffer.AsSpan(0, count);
            }
            else
            {
                part = lease.Slice(place.Value.Start + at, count);
            }

            if (isHashed) hash.Append(part);
            if (job.Places.Count > 0) notFinite += Elements.CountNotFinite(part, job.Source.Type);
            foreach (var target in direct) StreamingCopy.To(part, (byte*)target.Address + at);
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

/// <summary>A tensor of the network that takes a checkpoint's values, and how these are adapted; null for not at all.</summary>
internal sealed record LoadTarget(PlannedTensor Tensor, Adaptation? Adaptation);
