using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Computes a frozen prefix. Not thread-safe.</summary>
public interface IPrefixEngine : IDisposable
{
    /// <summary>What it is called in summaries: <c>plain</c>, <c>libtorch</c>, …</summary>
    string Name { get; }

    /// <summary>
    /// What its results are rounded to, as far as it tells results of engines apart: engines of one class may share stored features.
    /// <c>float32</c> for all that compute in single precision and fold norms or not; their results differ in the last digits.
    /// </summary>
    string Precision { get; }

    /// <summary>Computes the prefix's outputs; no gradients are recorded.</summary>
    /// <param name="inputs">The network's inputs by name; borrowed. More than the prefix reads may be given.</param>
    /// <returns>New tensors by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">An input is missing or does not fit.</exception>
    IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs);
}
