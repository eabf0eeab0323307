using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Computes a frozen prefix. Not thread-safe.</summary>
public interface IPrefixEngine : IDisposable
{
    /// <summary>What it is called in summaries: <c>plain</c>, <c>libtorch</c>, …</summary>
    string Name { get; }

    /// <summary>
    /// What it computes in: <c>float32</c>, or <c>bfloat16</c>. Results of two engines in one precision differ in the last digits, and stored
    /// features are kept apart by both, engine and precision.
    /// </summary>
    string Precision { get; }

    /// <summary>Computes the prefix's outputs; no gradients are recorded.</summary>
    /// <param name="inputs">The network's inputs by name; borrowed. More than the prefix reads may be given.</param>
    /// <returns>New tensors by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">An input is missing or does not fit.</exception>
    IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs);
}
