using Frostline.Training.Features;

namespace Frostline.Training.Data;

/// <summary>A sample that was skipped because it could not be read.</summary>
/// <param name="Index">Its index in the data set.</param>
/// <param name="Source">Its file.</param>
/// <param name="Reason">The whole message.</param>
public sealed record SkippedSample(int Index, string Source, string Reason);

/// <summary>
/// A batch in managed memory. Disposing it gives its arrays back to the loader, which fills them anew: make tensors (copies) of
/// them before. A batch that is not disposed is merely collected.
/// </summary>
public sealed class HostBatch : IDisposable
{
    private Action<HostBatch>? _release;

    internal HostBatch(
        int number,
        IReadOnlyDictionary<string, SampleTensor> fields,
        IReadOnlyList<int> indices,
        IReadOnlyList<string> sources,
        IReadOnlyList<SkippedSample> skipped,
        Action<HostBatch> release)
    {
        (Number, Fields, Indices, Sources, Skipped, _release) = (number, fields, indices, sources, skipped, release);
    }

    /// <summary>The position in the epoch, from 0. To continue after this batch, start the epoch at <c>Number + 1</c>.</summary>
    public int Number { get; }

    /// <summary>How many samples the batch holds, at least one.</summary>
    public int Count => Indices.Count;

    /// <summary>The fields by name: shape [B, ...], row-major, arrays of exactly that length.</summary>
    public IReadOnlyDictionary<string, SampleTensor> Fields { get; }

    /// <summary>The samples' indices in the data set, by row.</summary>
    public IReadOnlyList<int> Indices { get; }

    /// <summary>Where the samples come from, by row.</summary>
    public IReadOnlyList<string> Sources { get; }

    /// <summary>Samples of this batch, and of batches before it that became empty, that were left out as unreadable.</summary>
    public IReadOnlyList<SkippedSample> Skipped { get; }

    /// <summary>The features, where the loader has a store of them; null where the fields are the whole samples.</summary>
    internal HostFeatures? Features { get; init; }

    /// <summary>Gives the arrays back; the fields may not be read any more.</summary>
    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke(this);
}
