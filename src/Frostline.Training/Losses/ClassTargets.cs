using TorchSharp;

namespace Frostline.Training.Losses;

/// <summary>What losses and metrics of classes check, and targets that mixup makes.</summary>
internal static class ClassTargets
{
    /// <summary>Throws where the network has another number of scores than the data has classes.</summary>
    public static void RefuseOtherCount(torch.Tensor scores, int? classes, string output)
    {
        if (scores.dim() < 2)
            throw new FrostlineException($"the network's output \"{output}\" is [{string.Join(", ", scores.shape)}]; scores of "
                + "classes are [batch, classes]");
        if (classes is { } wanted && scores.shape[1] != wanted)
            throw new FrostlineException(
                $"the network's output \"{output}\" has {scores.shape[1]} scores a sample, and the data has {wanted} classes; "
                    + $"give the network {wanted} classes");
    }

    /// <summary>
    /// Targets as probabilities [B, K]: class indices [B] become rows with a single 1, anything else is returned as it is.
    /// </summary>
    public static torch.Tensor AsProbabilities(torch.Tensor target, long classes)
    {
        if (target.is_floating_point()) return target;
        return torch.nn.functional.one_hot(target, classes).to(torch.float32);
    }
}
