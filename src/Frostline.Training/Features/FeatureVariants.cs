using Frostline.Staging;
using Frostline.Training.Data;

namespace Frostline.Training.Features;

/// <summary>
/// Which versions of a sample there are, so that the features of each can be stored. Without random transforms there is one. A discrete random
/// transform, such as a flip, has all of its outcomes, and every epoch draws among them exactly as training without a store does. Of all other
/// random transforms a fixed number of results is drawn for each sample from (seed, index, variant), and the epochs go through them in turn:
/// training sees these and no others.
/// </summary>
public sealed class FeatureVariants
{
    private readonly IReadOnlyList<ITransform> _transforms;
    private readonly long _seed;

    private FeatureVariants(IReadOnlyList<ITransform> transforms, int drawn, long seed)
    {
        (_transforms, Drawn, _seed) = (transforms, drawn, seed);
        foreach (var discrete in transforms.OfType<IDiscreteTransform>()) Outcomes = checked(Outcomes * discrete.Outcomes);
    }

    /// <summary>How many results of random transforms are drawn for each sample; 1 where nothing but discrete transforms is random.</summary>
    public int Drawn { get; }

    /// <summary>How many outcomes the discrete transforms have together.</summary>
    public int Outcomes { get; } = 1;

    /// <summary>How many versions of each sample there are.</summary>
    public int Count => checked(Drawn * Outcomes);

    /// <summary>Whether training sees what it would see without a store: nothing is drawn in advance.</summary>
    public bool IsExact => !_transforms.Any(IsDrawn);

    /// <summary>Whether fields other than the inputs can be had without decoding.</summary>
    internal bool TakesPartialSamples => _transforms.All(transform => transform.TakesPartialSamples);

    /// <summary>The versions that a list of transforms makes.</summary>
    /// <param name="transforms">How a sample becomes the network's input, in order.</param>
    /// <param name="drawn">How many results of random transforms to draw for each sample, at least 1; null for no drawing in advance.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="reason">Why the features cannot be stored, in a few words; null where they can.</param>
    /// <returns>The versions; null where a transform is random without end and nothing says how many results to draw.</returns>
    public static FeatureVariants? Of(IReadOnlyList<ITransform> transforms, int? drawn, long seed, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(transforms);
        if (drawn is { } count) ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(drawn));
        reason = null;
        var random = transforms.FirstOrDefault(IsDrawn);
        if (random is null) return new FeatureVariants(transforms, 1, seed);
        if (drawn is { } variants) return new FeatureVariants(transforms, variants, seed);
        reason = $"the transform {random.GetType().Name} makes something else of a sample every time";
        return null;
    }

    /// <summary>Which version an epoch sees.</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="index">The sample.</param>
    /// <param name="again">How often the epoch has seen the sample before.</param>
    /// <returns>From 0 to <see cref="Count"/> - 1.</returns>
    public int NumberOf(int epoch, int index, int again)
    {
        if (Count == 1) return 0;
        var outcome = 0;
        if (Outcomes > 1)
        {
            var random = AugmentationRandom.Of(_seed, epoch, index, again);
            foreach (var discrete in _transforms.OfType<IDiscreteTransform>()) outcome = (outcome * discrete.Outcomes) + discrete.Draw(random);
        }

        return ((int)(((long)epoch + again) % Drawn) * Outcomes) + outcome;
    }

    /// <summary>Makes a version of a sample.</summary>
    /// <param name="sample">The sample as the data set gives it, whole or partial; it is changed.</param>
    /// <param name="index">The sample's index.</param>
    /// <param name="number">Which version.</param>
    public void Apply(Sample sample, int index, int number)
    {
        ArgumentNullException.ThrowIfNull(sample);
        var (variant, outcome, left) = (number / Outcomes, number % Outcomes, Outcomes);
        var random = new CounterRandom(_seed, FormattableString.Invariant($"variant:{variant}:{index}"));
        foreach (var transform in _transforms)
        {
            if (transform is IDiscreteTransform discrete)
            {
                left /= discrete.Outcomes;
                discrete.Apply(sample, outcome / left);
                outcome %= left;
            }
            else
            {
                transform.Apply(sample, random);
            }
        }
    }

    /// <summary>The key of a row of a version.</summary>
    /// <param name="content">The hash of the row's content.</param>
    /// <param name="transform">The transforms with all their options, as a text.</param>
    /// <param name="index">The sample's index; it counts where results are drawn.</param>
    /// <param name="number">Which version.</param>
    /// <param name="row">Which row of the sample; likewise, so that a frame that several samples share is stored once.</param>
    public FeatureKey KeyOf(UInt128 content, string transform, int index, int number, int row)
    {
        if (IsExact) return FeatureKey.Of(content, transform, number);
        return new FeatureKeyBuilder().AddHash(content).Add(transform).Add(_seed).Add(index).Add(number).Add(row).Build();
    }

    private static bool IsDrawn(ITransform transform) => transform.IsRandom && transform is not IDiscreteTransform;
}
