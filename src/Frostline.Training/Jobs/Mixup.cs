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
        Apply(fields, inputs, fields, classes, new CounterRandom(_seed, FormattableString.Invariant($"mixup:{epoch}:{batch}")), target);
    }

    /// <summary>
    /// Mixes what the frozen prefix puts out, in the place of what it reads: features may then come from a store. It is another augmentation than
    /// mixing inputs, since the prefix is not linear.
    /// </summary>
    /// <param name="features">The features by name, [rows, ...]; those mixed are replaced. A sample may have several rows.</param>
    /// <param name="fields">The fields with the labels, which are replaced.</param>
    /// <param name="classes">How many classes there are, to make probabilities of class indices.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="batch">The batch in the epoch, from 0.</param>
    /// <param name="target">The field with the labels; default <c>label</c>.</param>
    public void ApplyToFeatures(
        Dictionary<string, torch.Tensor> features, Dictionary<string, torch.Tensor> fields, int classes, int epoch, int batch, string target = "label")
    {
        ArgumentNullException.ThrowIfNull(features);
        ArgumentNullException.ThrowIfNull(fields);
        Apply(features, [.. features.Keys], fields, classes, new CounterRandom(_seed, FormattableString.Invariant($"feature-mixup:{epoch}:{batch}")), target);
    }

    private void Apply(
        Dictionary<string, torch.Tensor> tensors, IReadOnlyList<string> names, Dictionary<string, torch.Tensor> fields, int classes, CounterRandom random, string target)
    {
        var labels = ClassTargets.AsProbabilities(fields.Field(target, "mixup"), classes);
        var (lambda, permutation) = Draw(random, (int)labels.shape[0]);
        foreach (var name in names)
        {
            if (!tensors[name].is_floating_point()) continue;
            var rows = tensors[name].shape[0] / permutation.Length;
            using var order = torch.tensor([.. permutation.SelectMany(sample => Enumerable.Range(0, (int)rows).Select(row => (sample * rows) + row))], torch.int64, tensors[name].device);
            tensors[name] = Mix(tensors[name], order, lambda);
        }

        using var samples = torch.tensor(permutation, torch.int64, labels.device);
        fields[target] = Mix(labels, samples, lambda);
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
