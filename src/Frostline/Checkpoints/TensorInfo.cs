namespace Frostline.Checkpoints;

/// <summary>What a tensor is, without its values.</summary>
/// <param name="Name">The dotted name, for example <c>layer1.0.conv1.weight</c>.</param>
/// <param name="Type">The type of its elements.</param>
/// <param name="Shape">Its sizes, outermost first; empty for a scalar.</param>
public sealed record TensorInfo(string Name, TensorType Type, IReadOnlyList<long> Shape)
{
    /// <summary>How many elements it has; 1 for a scalar.</summary>
    /// <exception cref="OverflowException">The product of the sizes does not fit into 64 bits.</exception>
    public long ElementCount
    {
        get
        {
            // Asked for every tensor of every file: no enumerator.
            long product = 1;
            for (var i = 0; i < Shape.Count; i++) product = checked(product * Shape[i]);
            return product;
        }
    }

    /// <summary>How many bytes its elements take, row-major and without gaps.</summary>
    /// <exception cref="OverflowException">The number does not fit into 64 bits.</exception>
    public long ByteCount => checked(ElementCount * Type.Size());

    /// <summary>The shape as it is printed: <c>[64, 3, 7, 7]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
