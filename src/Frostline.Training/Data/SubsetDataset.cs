namespace Frostline.Training.Data;

/// <summary>Some samples of a data set, as a data set; classes stay what they are.</summary>
public sealed class SubsetDataset : IDataset
{
    private readonly IDataset _whole;

    /// <summary>Creates the view.</summary>
    /// <param name="whole">The data set.</param>
    /// <param name="indices">The samples' indices in <paramref name="whole"/>, in the order of the view.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index does not exist.</exception>
    public SubsetDataset(IDataset whole, IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(whole);
        ArgumentNullException.ThrowIfNull(indices);
        foreach (var index in indices)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index, nameof(indices));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, whole.Count, nameof(indices));
        }

        (_whole, Indices) = (whole, [.. indices]);
    }

    /// <summary>The samples' indices in the whole set.</summary>
    public IReadOnlyList<int> Indices { get; }

    /// <inheritdoc/>
    public int Count => Indices.Count;

    /// <inheritdoc/>
    public ClassMap? Classes => _whole.Classes;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Facts => _whole.Facts;

    /// <inheritdoc/>
    public string? UsualLoss => _whole.UsualLoss;

    /// <inheritdoc/>
    public IReadOnlyList<string>? UsualMetrics => _whole.UsualMetrics;

    /// <inheritdoc/>
    public IDataset Origin => _whole.Origin;

    /// <inheritdoc/>
    public IReadOnlyList<string> Problems => _whole.Problems;

    /// <inheritdoc/>
    public IReadOnlyList<int> LabelsOf(int index) => _whole.LabelsOf(Indices[index]);

    /// <inheritdoc/>
    public string SourceOf(int index) => _whole.SourceOf(Indices[index]);

    /// <inheritdoc/>
    public Sample Read(int index) => _whole.Read(Indices[index]);

    /// <inheritdoc/>
    public SampleContent? Open(int index) => _whole.Open(Indices[index]);
}
