using Frostline.Training.Losses;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// Mixup (Zhang, Cissé, Dauphin and Lopez-Paz, 2018): a batch becomes λ times itself plus (1 - λ) times a permutation of itself,
/// inputs and labels alike, with one λ of Beta(α, α) a batch.
/// </summary>
public sealed class Mixup
{
    private readonly double _alpha;
    private readonly long _seed;

    /// <summary>Creates the mixing.</summary>
    /// <param name="alpha">The parameter α, above 0; small values mix little.</param>
    /// <param name="seed">The seed of the run.</param>
    public Mixup(double alpha, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(alpha);
        _alpha = alpha;
        _seed = seed;
    }

    /// <summary>Mixes a batch. The result depends on the batch, the seed, and the numbers given; on nothing else.</summary>
    /// <param name="fields">The fields; those mixed are replaced.</param>
    /// <param name="inputs">The names of the fields that the network reads; floating-point ones are mixed.</param>
    /// <param name="classes">How many classes there are, to make probabilities of class indices.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="batch">The batch in the epoch, from 0.</param>
    /// <param name="target">The field with the labels; default <c>label</c>.</param>
    public void Apply(
        Dictionary<string, torch.Tensor> fields,
        IReadOnlyList<string> inputs,
        int classes,
        int epoch,
        int batch,
        string target = "label")
    {
        ArgumentNullException.ThrowIfNull(fields);
        ArgumentNullException.ThrowIfNull(inputs);
        var random = new CounterRandom(_seed, FormattableString.Invariant($"mixup:{epoch}:{batch}"));
        var (lambda, permutation) = Draw(random, (int)fields[inputs[0]].shape[0]);
        var order = torch.tensor(permutation, torch.int64, fields[inputs[0]].device);
        foreach (var name in inputs)
        {
            if (fields[name].is_floating_point()) fields[name] = Mix(fields[name], order, lambda);
        }

        fields[target] = Mix(ClassTargets.AsProbabilities(fields.Field(target, "mixup"), classes), order, lambda);
    }

    /// <summary>The share and the permutation of a batch.</summary>
    internal (double Lambda, long[] Permutation) Draw(CounterRandom random, int rows)
    {
        var (first, second) = (Gamma(random, _alpha), Gamma(random, _alpha));
        // Both can underflow for a tiny α, where either 0 or 1 is what the distribution gives.
        var lambda = first + second > 0 ? first / (first + second) : random.NextInt32(2);
        var permutation = Enumerable.Range(0, rows).Select(i => (long)i).ToArray();
        random.Shuffle<long>(permutation);
        return (lambda, permutation);
    }

    private static torch.Tensor Mix(torch.Tensor tensor, torch.Tensor order, double lambda)
    {
        using Scalar share = lambda, rest = 1 - lambda, one = 1;
        return tensor.mul(share).add(tensor.index_select(0, order).mul(rest), one);
    }

    /// <summary>A number of the gamma distribution with scale 1 (Marsaglia and Tsang, 2000; boosted below shape 1).</summary>
    private static double Gamma(CounterRandom random, double shape)
    {
        if (shape < 1) return Gamma(random, shape + 1) * Math.Pow(1 - random.NextDouble(), 1 / shape);
        var d = shape - (1.0 / 3);
        var c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            var x = random.NextNormal();
            var v = Math.Pow(1 + (c * x), 3);
            if (v > 0 && Math.Log(1 - random.NextDouble()) < (0.5 * x * x) + (d * (1 - v + Math.Log(v)))) return d * v;
        }
    }
}
