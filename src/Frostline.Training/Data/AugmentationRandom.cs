namespace Frostline.Training.Data;

/// <summary>What random transforms of a sample draw from: a function of the seed, the epoch and the sample.</summary>
internal static class AugmentationRandom
{
    /// <summary>The generator of one visit.</summary>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="index">The sample.</param>
    /// <param name="again">How often the epoch has visited it before.</param>
    public static CounterRandom Of(long seed, int epoch, int index, int again) =>
        new(seed, again == 0 ? FormattableString.Invariant($"augment:{epoch}:{index}") : FormattableString.Invariant($"augment:{epoch}:{index}:{again}"));
}
