using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// Runs a network several times for a batch, each time on the inputs in another way, and joins what it puts out: slower and a little better than
/// once. Used where a network is evaluated and where it predicts, not in training and not for its validations.
/// </summary>
public interface ITestTimeAugmentation
{
    /// <summary>Runs the network.</summary>
    /// <param name="network">From fields to outputs by name.</param>
    /// <param name="inputs">The names of the fields that the network reads.</param>
    /// <param name="fields">The batch's fields; they are not to be changed.</param>
    /// <returns>What the network puts out as a whole, by the same names, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">It does not fit the network's inputs or outputs.</exception>
    IReadOnlyDictionary<string, torch.Tensor> Run(
        Func<IReadOnlyDictionary<string, torch.Tensor>, IReadOnlyDictionary<string, torch.Tensor>> network,
        IReadOnlyList<string> inputs,
        IReadOnlyDictionary<string, torch.Tensor> fields);
}
