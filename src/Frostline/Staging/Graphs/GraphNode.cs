namespace Frostline.Staging;

/// <summary>One computation of a recorded graph; a class, so that two of one text are two.</summary>
internal sealed class GraphNode(int id, GraphStep step, IReadOnlyList<GraphNode> inputs, IReadOnlyList<long> shape)
{
    /// <summary>Its place: behind everything that it reads.</summary>
    internal int Id { get; } = id;

    /// <summary>What it computes.</summary>
    internal GraphStep Step { get; } = step;

    /// <summary>What it reads, in order.</summary>
    internal IReadOnlyList<GraphNode> Inputs { get; } = inputs;

    /// <summary>The sizes that it had when it was recorded; the batch may be another one later.</summary>
    internal IReadOnlyList<long> Shape { get; } = shape;
}
