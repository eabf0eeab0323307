using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// Brightness in feature space, after frozen feature augmentation (Bär, Houlsby, Dehghani and Kumar, "Frozen Feature Augmentation for Few-Shot
/// Image Classification", CVPR 2024, brightness, channel by channel): a channel of a map is scaled to [0, 1] by its least and greatest value, a
/// number is added that is drawn for each sample and channel, what leaves [0, 1] is cut off, and the scaling is undone. A feature vector, whose
/// channels have one value each, is scaled by its own least and greatest value.
/// </summary>
public sealed class FeatureBrightness
{
    // Keeps a channel whose values are all equal as it is.
    private const double Least = 1e-12;

    private readonly double _strength;
    private readonly long _seed;

    /// <summary>Creates the augmentation.</summary>
    /// <param name="strength">The greatest number that is added or taken away, above 0 and at most 1.</param>
    /// <param name="seed">The seed of the run.</param>
    public FeatureBrightness(double strength, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(strength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(strength, 1);
        (_strength, _seed) = (strength, seed);
    }

    /// <summary>Changes the features of a batch. The result depends on them, the seed, and the numbers given; on nothing else.</summary>
    /// <param name="features">The features by name, [rows, channels, ...]; all of them are replaced.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="batch">The batch in the epoch, from 0.</param>
    public void Apply(Dictionary<string, torch.Tensor> features, int epoch, int batch)
    {
        ArgumentNullException.ThrowIfNull(features);
        using var noGrad = torch.no_grad();
        foreach (var name in features.Keys.Order(StringComparer.Ordinal).ToList()) features[name] = Apply(features[name], new CounterRandom(_seed, FormattableString.Invariant($"feature-brightness:{epoch}:{batch}:{name}")));
    }

    private torch.Tensor Apply(torch.Tensor features, CounterRandom random)
    {
        using var scope = torch.NewDisposeScope();
        using Scalar one = 1, minus = -1, zero = 0, least = Least;
        // A pooled map has one position, and a channel of it no range.
        var isMap = features.shape.Skip(2).Any(size => size > 1);
        long[] within = [.. Enumerable.Range(isMap ? 2 : 1, (int)features.dim() - (isMap ? 2 : 1)).Select(dimension => (long)dimension)];
        var low = features.amin(within, keepdim: true);
        var range = features.amax(within, keepdim: true).add(low, minus).clamp_min(least);
        long[] channels = [.. features.shape.Select((size, dimension) => dimension < 2 ? size : 1)];
        var draws = new float[features.shape[0] * features.shape[1]];
        for (var i = 0; i < draws.Length; i++) draws[i] = (float)random.NextDouble(-_strength, _strength);
        var added = torch.tensor(draws, channels, features.dtype, features.device);
        var brighter = features.add(low, minus).div(range).add(added, one).clamp(zero, one);
        return scope.MoveToOuter(brighter.mul(range).add(low, one));
    }
}
