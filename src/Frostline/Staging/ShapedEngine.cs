using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// An engine that compiles a program for inputs of fixed heights and widths. Inputs of other ones are compiled for when they come; the last
/// few programs are kept, each with weights of its own. The batch, dimension 0, is free.
/// </summary>
/// <typeparam name="TProgram">What is compiled.</typeparam>
public abstract class ShapedEngine<TProgram> : IPrefixEngine
    where TProgram : class, IDisposable
{
    private const int Kept = 4;

    private readonly LinkedList<(string Key, TProgram Program)> _programs = [];
    private readonly IReadOnlyList<string> _inputs;

    /// <summary>Creates an engine; nothing is compiled yet.</summary>
    /// <param name="prefix">What it computes.</param>
    protected ShapedEngine(FrozenPrefix prefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        (Prefix, _inputs) = (prefix, prefix.Schedule.Inputs);
    }

    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public virtual string Precision => "float32";

    /// <summary>What it computes.</summary>
    protected FrozenPrefix Prefix { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var shapes = _inputs.ToDictionary(
            name => name,
            IReadOnlyList<long> (name) => inputs.TryGetValue(name, out var tensor)
                ? tensor.shape
                : throw new FrostlineException($"the prefix needs the tensor \"{name}\" but was given {(inputs.Count == 0 ? "none" : string.Join(", ", inputs.Keys))}"),
            StringComparer.Ordinal);
        return Run(ProgramFor(shapes), inputs);
    }

    /// <summary>Compiles for inputs of some shapes before they come, so that what cannot be compiled is known.</summary>
    /// <param name="shapes">The shape of each input, the batch included.</param>
    /// <exception cref="NotCompilableException">The prefix cannot be compiled; the message says why.</exception>
    /// <exception cref="FrostlineException">A shape is missing or does not fit.</exception>
    public void Prepare(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        _ = ProgramFor(shapes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Compiles a program.</summary>
    /// <param name="shapes">The shape of each input, the batch included.</param>
    protected abstract TProgram Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes);

    /// <summary>Runs a program.</summary>
    /// <param name="program">The program for the inputs' heights and widths.</param>
    /// <param name="inputs">As of <see cref="IPrefixEngine.Run"/>; none that is read is missing.</param>
    /// <returns>As of <see cref="IPrefixEngine.Run"/>.</returns>
    protected abstract IReadOnlyDictionary<string, Tensor> Run(TProgram program, IReadOnlyDictionary<string, Tensor> inputs);

    /// <summary>Frees the programs.</summary>
    /// <param name="disposing">Whether it is called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        foreach (var (_, program) in _programs) program.Dispose();
        _programs.Clear();
    }

    private TProgram ProgramFor(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        var key = string.Join(' ', _inputs.Select(name => shapes.TryGetValue(name, out var shape)
            ? $"{name}:{string.Join('x', shape.Skip(1))}"
            : throw new FrostlineException($"the shape of the input \"{name}\" is missing")));
        for (var node = _programs.First; node is not null; node = node.Next)
        {
            if (node.Value.Key != key) continue;
            _programs.Remove(node);
            _programs.AddFirst(node);
            return node.Value.Program;
        }

        var program = Compile(shapes);
        _programs.AddFirst((key, program));
        if (_programs.Count > Kept)
        {
            _programs.Last!.Value.Program.Dispose();
            _programs.RemoveLast();
        }

        return program;
    }
}
