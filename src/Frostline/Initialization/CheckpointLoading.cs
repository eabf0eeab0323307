using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Native;

namespace Frostline.Initialization;

/// <summary>
/// Reads a checkpoint once from its beginning to its end, on all physical cores: hashes it, and copies each tensor into the
/// parameter that wants it.
/// </summary>
internal sealed class CheckpointLoading
{
    // Stays in the second-level cache of every processor; a multiple of every element size.
    private const int Part = 1 << 16;

    // Enough that handing it out costs nothing, and little beside a network.
    private const int Batch = 4 << 20;

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
        var batches = Batches(jobs);
        var loop = new ParallelOptions { MaxDegreeOfParallelism = Processors.PhysicalCores };
        try
        {
            Parallel.For(
                0,
                batches.Count,
                loop,
                () => new byte[Part],
                (batch, _, buffer) =>
                {
                    var (first, end) = batches[batch];
                    for (var i = first; i < end; i++) hashes[i] = new HashedTensor(jobs[i].Source, Read(jobs[i], buffer));
                    Release(jobs, first, end);
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

    /// <summary>Ranges of jobs that one thread does in one go.</summary>
    private static List<(int First, int End)> Batches(List<Job> jobs)
    {
        var batches = new List<(int First, int End)>();
        long bytes = 0;
        for (int i = 0, first = 0; i < jobs.Count; i++)
        {
            bytes += jobs[i].Source.ByteCount;
            if (bytes < Batch && i < jobs.Count - 1) continue;
            batches.Add((first, i + 1));
            (first, bytes) = (i + 1, 0);
        }

        return batches;
    }

    /// <summary>A loaded network is not held twice: what has been read of the file goes.</summary>
    private void Release(List<Job> jobs, int first, int end)
    {
        for (var i = first; i < end;)
        {
            if (_checkpoint.PlaceOf(jobs[i++].Source) is not var (bytes, start)) continue;
            // Neighbours go together, since every release costs the threads a moment.
            var last = start + jobs[i - 1].Source.ByteCount;
            while (i < end && _checkpoint.PlaceOf(jobs[i].Source) is var (same, next) && same == bytes && next >= last && next - last < Part)
                last = next + jobs[i++].Source.ByteCount;
            bytes.Release(start, last - start);
        }
    }

    private static bool IsDirect(Place place, TensorInfo source) =>
        place.Address != 0 && place.Adaptation is null && place.Target.Info.Type == source.Type;

    private UInt128 Read(Job job, byte[] buffer)
    {
        var direct = job.Places.Where(place => IsDirect(place, job.Source)).ToList();
        var (hash, notFinite) = direct.Count > 0 && job.Source.ByteCount <= Array.MaxLength && _checkpoint.PlaceOf(job.Source) is var (bytes, start)
            ? Copy(job.Source, bytes, start, direct)
            : CopyInParts(job.Source, buffer, direct);
        if (job.Places.Count > 0 && notFinite > 0) _notFinite[job.Source.Name] = notFinite;
        return hash;
    }

    /// <summary>Copies what lies in the file as it is wanted.</summary>
    private static unsafe (UInt128 Hash, long NotFinite) Copy(TensorInfo source, ByteSource bytes, long start, List<Place> direct)
    {
        using var lease = bytes.Lease();
        var content = lease.Slice(start, (int)source.ByteCount);
        var hash = HashingCopy.To(content, (byte*)direct[0].Address, source.Type, out var notFinite);
        foreach (var place in direct.Skip(1)) content.CopyTo(new Span<byte>((byte*)place.Address, content.Length));
        return (hash, notFinite);
    }

    private unsafe (UInt128 Hash, long NotFinite) CopyInParts(TensorInfo source, byte[] buffer, List<Place> direct)
    {
        var hash = new XxHash128();
        long notFinite = 0;
        for (long at = 0; at < source.ByteCount; at += Part)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(Part, source.ByteCount - at));
            _checkpoint.Read(source, at, part);
            hash.Append(part);
            notFinite += Elements.CountNotFinite(part, source.Type);
            foreach (var place in direct) part.CopyTo(new Span<byte>((byte*)place.Address + at, part.Length));
        }

        return (hash.GetCurrentHashAsUInt128(), notFinite);
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
