using TorchSharp;

namespace Frostline.Training.Losses;

/// <summary>Finds tensors by name, for losses and metrics, with an error that says what there is.</summary>
public static class NamedTensors
{
    /// <summary>The tensor of a name.</summary>
    /// <param name="tensors">The network's outputs or the batch's fields.</param>
    /// <param name="name">The name wanted.</param>
    /// <param name="reader">Who reads it, for the message, for example <c>loss cross-entropy</c>.</param>
    /// <param name="kind">What the tensors are, for the message: <c>output of the network</c> or <c>field of the
    /// batch</c>.</param>
    /// <exception cref="FrostlineException">There is none of that name.</exception>
    public static torch.Tensor Find(
        this IReadOnlyDictionary<string, torch.Tensor> tensors, string name, string reader, string kind)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (tensors.TryGetValue(name, out var tensor)) return tensor;
        throw new FrostlineException(
            $"the {reader} reads \"{name}\", which is no {kind} (there are: "
                + $"{string.Join(", ", tensors.Keys)}){NearestNames.Hint(name, tensors.Keys)}");
    }

    /// <summary>An output of the network.</summary>
    /// <inheritdoc cref="Find"/>
    public static torch.Tensor Output(this IReadOnlyDictionary<string, torch.Tensor> tensors, string name, string reader) =>
        tensors.Find(name, reader, "output of the network");

    /// <summary>A field of the batch.</summary>
    /// <inheritdoc cref="Find"/>
    public static torch.Tensor Field(this IReadOnlyDictionary<string, torch.Tensor> tensors, string name, string reader) =>
        tensors.Find(name, reader, "field of the batch");
}
