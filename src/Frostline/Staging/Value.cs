namespace Frostline.Staging;

/// <summary>
/// What a stage's body computes with. It is opaque: a tensor when the network runs (<see cref="EagerOperations"/>), only a
/// shape when its cost is asked for (<see cref="CostOperations"/>). A body never changes a value in place.
/// </summary>
public abstract class Value
{
    /// <summary>
    /// The sizes, outermost first. A body may look at them to refuse an input or to choose a size; dimension 0 is the batch,
    /// on which a body's structure must not depend.
    /// </summary>
    public abstract IReadOnlyList<long> Shape { get; }

    /// <summary>The shape as it is printed: <c>[1, 3, 224, 224]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
