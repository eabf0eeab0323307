using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>Computes a layer's tensors from those of a relative with more or fewer channels, or with one axis less.</summary>
internal static class ChannelTransfer
{
    private static readonly string[] s_vectors = ["BatchNorm", "InstanceNorm", "LayerNorm", "GroupNorm", "PReLU", "FrozenBatchNorm"];

    /// <summary>From a wider network.</summary>
    /// <param name="by">Which channels are taken.</param>
    /// <param name="file">The tensor in the file.</param>
    /// <param name="network">The tensor in the network.</param>
    /// <param name="layer">The types of the layer that holds it, as <c>type:</c> names them.</param>
    /// <returns>The computation, or what is in the way, to be read after the tensor's name.</returns>
    public static (Adaptation? Adaptation, string? Problem) Narrow(
        NarrowRule by, TensorInfo file, TensorInfo network, IReadOnlyList<string> layer) =>
        Plan($"narrow, {by.ToString().ToLowerInvariant()}", file, network, layer, (old, now, isInput) =>
            now > old ? (null, "is narrower in the file")
            : by == NarrowRule.First ? (AxisMap.First(old, now), null)
            : old % now != 0 ? (null, $"has {old} channels, which are no {now} equal groups")
            : (AxisMap.Groups(old, now, isInput ? 1 : (double)now / old), null));

    /// <summary>From a narrower network: channels are repeated, and inputs divided by the number of copies.</summary>
    /// <inheritdoc cref="Narrow"/>
    public static (Adaptation? Adaptation, string? Problem) Widen(TensorInfo file, TensorInfo network, IReadOnlyList<string> layer) =>
        Plan("widen", file, network, layer, (old, now, isInput) =>
            now < old ? (null, "is wider in the file") : (AxisMap.Repeat(old, now, share: isInput), null));

    /// <summary>From a convolution over images: the kernel is repeated along the new first axis and divided by its length.</summary>
    /// <inheritdoc cref="Narrow"/>
    public static (Adaptation? Adaptation, string? Problem) Inflate(TensorInfo file, TensorInfo network)
    {
        var shapes = Shapes(file, network);
        if (file.Shape.Count != 4 || network.Shape.Count != 5)
            return (null, $"is no pair of weights with 4 and 5 dimensions: {shapes}");
        var length = (int)network.Shape[2];
        if (length < 1 || !file.Shape.SequenceEqual(network.Shape.Where((_, axis) => axis != 2)))
            return (null, $"may differ in the new third dimension only: {shapes}");
        var (before, after) = ((int)(file.Shape[0] * file.Shape[1]), (int)(file.Shape[2] * file.Shape[3]));
        return (new Adaptation(
            $"inflate, repeated {length} times and divided", weight => AxisMap.Repeat(1, length, share: true).Apply(weight, before, after)), null);
    }

    private static (Adaptation? Adaptation, string? Problem) Plan(
        string policy, TensorInfo file, TensorInfo network, IReadOnlyList<string> layer, Func<int, int, bool, (AxisMap? Map, string? Problem)> mapOf)
    {
        var shapes = Shapes(file, network);
        if (InputAxis(network, layer) is not { } input)
            return (null, $"belongs to a layer of type {(layer.Count > 0 ? layer[0] : "Module")}, whose channels are not known: {shapes}; skip it, or draw it");
        if (file.Shape.Count != network.Shape.Count || !file.Shape.Skip(2).SequenceEqual(network.Shape.Skip(2)))
            return (null, $"may differ in its channels only: {shapes}");
        if (file.ElementCount == 0 || network.ElementCount == 0) return (null, $"has no values: {shapes}");
        var maps = new List<(int Axis, AxisMap Map)>();
        var text = policy;
        for (var axis = 0; axis < Math.Min(2, network.Shape.Count); axis++)
        {
            var (old, now) = ((int)file.Shape[axis], (int)network.Shape[axis]);
            if (old == now) continue;
            var (map, problem) = mapOf(old, now, axis == input);
            if (map is null) return (null, $"{problem}: {shapes}");
            maps.Add((axis, map));
            text += $", {(axis == input ? "inputs" : "outputs")} {old} to {now}";
        }

        return (new Adaptation(text, values => Apply(values, file.Shape, maps)), null);
    }

    private static double[] Apply(double[] values, IReadOnlyList<long> shape, List<(int Axis, AxisMap Map)> maps)
    {
        var sizes = shape.Select(size => (int)size).ToArray();
        foreach (var (axis, map) in maps)
        {
            values = map.Apply(values, Product(sizes.AsSpan(0, axis)), Product(sizes.AsSpan(axis + 1)));
            sizes[axis] = map.New;
        }

        return values;
    }

    /// <summary>Which axis counts a layer's inputs: -1 for vectors, which have none; null where the layer is of no known kind.</summary>
    private static int? InputAxis(TensorInfo network, IReadOnlyList<string> layer)
    {
        var transposed = layer.Contains("ConvolutionTranspose", StringComparer.Ordinal);
        var weighs = transposed || layer.Contains("Convolution", StringComparer.Ordinal) || layer.Contains("Linear", StringComparer.Ordinal);
        if (network.Shape.Count == 1 && (weighs || layer.Any(type => s_vectors.Contains(type, StringComparer.Ordinal)))) return -1;
        return weighs && network.Shape.Count >= 2 ? transposed ? 0 : 1 : null;
    }

    private static int Product(ReadOnlySpan<int> sizes)
    {
        var product = 1;
        foreach (var size in sizes) product *= size;
        return product;
    }

    private static string Shapes(TensorInfo file, TensorInfo network) => $"{file.ShapeText} in the file and {network.ShapeText} in the network";
}
