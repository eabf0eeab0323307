using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>The inputs of a network that reads an image.</summary>
public static class ImageInputs
{
    /// <summary>An image under the name by which networks read it.</summary>
    public static Dictionary<string, Tensor> Named(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };

    /// <summary>The shapes of inputs.</summary>
    public static Dictionary<string, IReadOnlyList<long>> Shapes(Dictionary<string, Tensor> inputs) =>
        inputs.ToDictionary(input => input.Key, IReadOnlyList<long> (input) => input.Value.shape, StringComparer.Ordinal);
}
