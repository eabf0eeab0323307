using TorchSharp;

namespace Frostline.Training.Losses;

/// <summary>
/// What training makes small. It reads the network's outputs and the batch's fields by name, so that one loss serves every
/// network that has an output of that name.
/// </summary>
public interface ILoss
{
    /// <summary>The mean loss of a batch, with its graph.</summary>
    /// <param name="outputs">The network's outputs by name, for example <c>logits</c> [B, K].</param>
    /// <param name="fields">The batch's fields by name on the outputs' device, for example <c>label</c> [B].</param>
    /// <returns>A scalar. It belongs to the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">An output or field is absent, or shapes do not fit.</exception>
    torch.Tensor Compute(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields);

    /// <summary>
    /// What the mean of <see cref="Compute"/> was divided by: its weight where means of several batches are joined, in gradient
    /// accumulation and in the loss of an epoch.
    /// </summary>
    /// <param name="outputs">The network's outputs by name.</param>
    /// <param name="fields">The batch's fields by name.</param>
    /// <returns>By default the number of samples: the first dimension of the first output.</returns>
    double WeightOf(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields) =>
        outputs.Values.First().shape[0];
}
