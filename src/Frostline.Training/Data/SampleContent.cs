namespace Frostline.Training.Data;

/// <summary>A sample that is read but not decoded.</summary>
public sealed class SampleContent
{
    private readonly Func<Sample> _decode;
    private readonly Func<Sample>? _partial;

    /// <summary>Describes a content that the caller holds.</summary>
    /// <param name="rows">
    /// For each row of the sample, see <see cref="SampleTensor.IsRows"/>, a hash of all that its inputs are made from: the bytes, and the version
    /// of what decodes them. One for a sample without rows. Rows of one hash have to have equal inputs, wherever they stand; transforms have to
    /// treat them alike.
    /// </param>
    /// <param name="decode">Makes the whole sample of that content.</param>
    /// <param name="partial">Makes the sample without what takes decoding; null where that cannot be.</param>
    /// <exception cref="ArgumentException">There is no row.</exception>
    public SampleContent(IReadOnlyList<UInt128> rows, Func<Sample> decode, Func<Sample>? partial)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(decode);
        if (rows.Count == 0) throw new ArgumentException("a sample has at least one row", nameof(rows));
        (Rows, _decode, _partial) = (rows, decode, partial);
    }

    /// <summary>For each row a hash of all that its inputs are made from.</summary>
    public IReadOnlyList<UInt128> Rows { get; }

    /// <summary>Decodes the sample, as <see cref="IDataset.Read"/> does, from the very content that was hashed.</summary>
    /// <exception cref="UnreadableSampleException">The content is damaged or of an unknown format.</exception>
    public Sample Decode() => _decode();

    /// <summary>The sample without what takes decoding, <see cref="Sample.IsPartial"/>; null where that cannot be.</summary>
    public Sample? Partial() => _partial?.Invoke();

    /// <summary>The same content, of whose samples something is changed.</summary>
    /// <param name="change">Gives the changed sample; it may be the same object.</param>
    public SampleContent Select(Func<Sample, Sample> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return new SampleContent(Rows, () => change(_decode()), _partial is null ? null : () => change(_partial()));
    }
}
