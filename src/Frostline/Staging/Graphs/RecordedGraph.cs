using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Frostline.Modules;

namespace Frostline.Staging;

/// <summary>
/// What the stages of a schedule compute, as a list of steps in the order in which they run. Weights are the network's own and are
/// borrowed; spatial sizes are those that it was recorded for, the batch is free.
/// </summary>
internal sealed class RecordedGraph
{
    internal RecordedGraph(IReadOnlyList<GraphNode> nodes, IReadOnlyList<(string Name, GraphNode Node)> outputs)
    {
        Nodes = nodes;
        Outputs = outputs;
    }

    /// <summary>The steps, each behind what it reads; inputs are steps too.</summary>
    internal IReadOnlyList<GraphNode> Nodes { get; }

    /// <summary>What comes out, by name.</summary>
    internal IReadOnlyList<(string Name, GraphNode Node)> Outputs { get; }

    /// <summary>The inputs, by name.</summary>
    internal IEnumerable<(string Name, GraphNode Node)> Inputs =>
        Nodes.Where(node => node.Step is InputStep).Select(node => (((InputStep)node.Step).Name, node));

    /// <summary>Records the stages of a schedule.</summary>
    /// <param name="schedule">Which stages.</param>
    /// <param name="shapes">The shape of each input of the schedule, the batch included.</param>
    /// <exception cref="NotCompilableException">
    /// Something is opaque, active or moving, or what is computed depends on the size of the batch.
    /// </exception>
    /// <exception cref="FrostlineException">A shape is missing or does not fit.</exception>
    internal static RecordedGraph Of(StageSchedule schedule, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        var graph = Record(schedule, shapes);
        var doubled = shapes.ToDictionary(
            shape => shape.Key, IReadOnlyList<long> (shape) => [2 * shape.Value[0], .. shape.Value.Skip(1)], StringComparer.Ordinal);
        return graph.Structure == Record(schedule, doubled).Structure
            ? graph
            : throw new NotCompilableException("what the stages compute depends on the size of the batch and cannot be recorded; 0 in a reshape keeps a size");
    }

    /// <summary>The steps as text, without weights and shapes.</summary>
    internal string Structure
    {
        get
        {
            var text = new StringBuilder();
            foreach (var node in Nodes)
                text.Append(CultureInfo.InvariantCulture, $"{node.Id} {node.Step.Describe()} ({string.Join(' ', node.Inputs.Select(input => input.Id))})\n");
            foreach (var (name, node) in Outputs) text.Append(CultureInfo.InvariantCulture, $"output {name} {node.Id}\n");
            return text.ToString();
        }
    }

    /// <summary>
    /// A hash over the structure and over every weight's type, shape and bytes, 32 hexadecimal digits (XXH128): equal identities compute
    /// equal functions.
    /// </summary>
    internal string Identity()
    {
        var hash = new XxHash128();
        hash.Append(Encoding.UTF8.GetBytes(Structure));
        foreach (var weight in Nodes.SelectMany(node => node.Step.Weights))
        {
            hash.Append(Encoding.UTF8.GetBytes($"{weight.dtype} {string.Join('x', weight.shape)}\n"));
            TensorBytes.Use(weight, hash.Append);
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>For each node the place of the last one that reads it; the end for outputs.</summary>
    internal int[] LastUses()
    {
        var last = Enumerable.Range(0, Nodes.Count).ToArray();
        foreach (var node in Nodes)
            foreach (var input in node.Inputs) last[input.Id] = node.Id;
        foreach (var (_, node) in Outputs) last[node.Id] = Nodes.Count;
        return last;
    }

    /// <summary>For each node how often it is read; being an output counts.</summary>
    internal int[] Readers()
    {
        var readers = new int[Nodes.Count];
        foreach (var input in Nodes.SelectMany(node => node.Inputs)) readers[input.Id]++;
        foreach (var (_, node) in Outputs) readers[node.Id]++;
        return readers;
    }

    private static RecordedGraph Record(StageSchedule schedule, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        var operations = new RecordingOperations();
        var values = new Dictionary<string, Value>(StringComparer.Ordinal);
        foreach (var name in schedule.Inputs)
            values[name] = operations.Input(name, shapes.TryGetValue(name, out var shape)
                ? shape
                : throw new FrostlineException($"the shape of the input \"{name}\" is missing"));
        foreach (var stage in schedule.Stages)
        {
            var written = Apply(stage, operations, values);
            foreach (var name in written.Names) values[name] = written[name];
        }

        return new RecordedGraph(operations.Nodes, [.. schedule.Outputs.Select(name => (name, RecordingOperations.NodeOf(values[name])))]);
    }

    private static Bundle Apply(Stage stage, RecordingOperations operations, Dictionary<string, Value> values)
    {
        try
        {
            return stage.Apply(operations, new Bundle(stage.Reads.Select(name => (name, values[name]))));
        }
        catch (NotCompilableException error)
        {
            throw new NotCompilableException($"the stage \"{stage.Name}\": {error.Message}", error);
        }
    }
}
