namespace Frostline.Training.Data;

/// <summary>Several transforms as one, applied in order; an empty chain changes nothing.</summary>
/// <param name="transforms">The transforms.</param>
public sealed class TransformChain(IReadOnlyList<ITransform> transforms) : ITransform
{
    /// <summary>The chain without transforms.</summary>
    public static TransformChain Empty { get; } = new([]);

    /// <summary>The transforms, in order.</summary>
    public IReadOnlyList<ITransform> Transforms => transforms;

    /// <summary>Whether any of them is random. A chain that is not gives each sample one result, whatever the epoch.</summary>
    public bool IsRandom => transforms.Any(t => t.IsRandom);

    /// <inheritdoc/>
    public bool TakesPartialSamples => transforms.All(t => t.TakesPartialSamples);

    /// <inheritdoc/>
    public void Apply(Sample sample, CounterRandom random)
    {
        foreach (var transform in transforms) transform.Apply(sample, random);
    }
}
