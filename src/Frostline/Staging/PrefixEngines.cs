using Frostline.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Runs the stages as the network itself does, without gradients: what every other engine is compared with.</summary>
internal sealed class PlainEngine(StageSchedule schedule) : IPrefixEngine
{
    public string Name => "plain";

    public string Precision => "float32";

    public IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        using var noGrad = no_grad();
        return StagedForward.Run(schedule, inputs);
    }

    public void Dispose()
    {
    }
}

/// <summary>
/// Compiled for libtorch: norms folded into convolutions, no gradients, activations in place. Inputs of another height or width are
/// compiled anew when they come; the last few programs are kept.
/// </summary>
internal sealed class LibtorchEngine(StageSchedule schedule) : IPrefixEngine
{
    /// <summary>How many programs are kept: each holds a folded copy of the weights.</summary>
    private const int Kept = 4;

    private readonly LinkedList<(string Key, GraphProgram Program)> _programs = [];

    public string Name => "libtorch";

    public string Precision => "float32";

    public IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return ProgramFor(PrefixInputs.ShapesOf(schedule, inputs)).Run(inputs);
    }

    /// <summary>Compiles for inputs of some shapes, so that what cannot be compiled is known.</summary>
    /// <exception cref="NotCompilableException">The stages cannot be recorded.</exception>
    internal void Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes) => _ = ProgramFor(shapes);

    public void Dispose()
    {
        foreach (var (_, program) in _programs) program.Dispose();
        _programs.Clear();
    }

    private GraphProgram ProgramFor(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        // The batch, dimension 0, is free.
        var key = string.Join(' ', shapes.OrderBy(shape => shape.Key, StringComparer.Ordinal).Select(shape => $"{shape.Key}:{string.Join('x', shape.Value.Skip(1))}"));
        for (var node = _programs.First; node is not null; node = node.Next)
        {
            if (node.Value.Key != key) continue;
            _programs.Remove(node);
            _programs.AddFirst(node);
            return node.Value.Program;
        }

        var program = new GraphProgram(RecordedGraph.Of(schedule, shapes));
        _programs.AddFirst((key, program));
        if (_programs.Count > Kept)
        {
            _programs.Last!.Value.Program.Dispose();
            _programs.RemoveLast();
        }

        return program;
    }
}

/// <summary>What engines are given.</summary>
internal static class PrefixInputs
{
    /// <summary>The shapes of what a schedule reads.</summary>
    /// <exception cref="FrostlineException">An input is missing.</exception>
    internal static Dictionary<string, IReadOnlyList<long>> ShapesOf(StageSchedule schedule, IReadOnlyDictionary<string, Tensor> inputs) =>
        schedule.Inputs.ToDictionary(
            name => name,
            IReadOnlyList<long> (name) => inputs.TryGetValue(name, out var tensor)
                ? tensor.shape
                : throw new FrostlineException($"the prefix needs the tensor \"{name}\" but was given {(inputs.Count == 0 ? "none" : string.Join(", ", inputs.Keys))}"),
            StringComparer.Ordinal);
}
