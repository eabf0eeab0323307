using TorchSharp;

namespace Frostline.Staging;

/// <summary>A parameter or buffer that lies directly on a module of which the stage does not own everything.</summary>
/// <param name="Owner">The module.</param>
/// <param name="Name">The tensor's name in it, without dots.</param>
public readonly record struct OwnedTensor(torch.nn.Module Owner, string Name);

/// <summary>
/// One named step of a network: a view that says which modules it owns and how named tensors become named tensors. The body
/// is written once against <see cref="Operations"/>; running the network, its cost and its compilation are interpretations
/// of the same body.
/// </summary>
public sealed class Stage
{
    private IReadOnlyList<torch.nn.Module> _modules;
    private IReadOnlyList<OwnedTensor> _tensors = [];

    /// <summary>Creates a stage.</summary>
    /// <param name="name">Its name, for example <c>layer1</c>; dots nest (<c>hrnet.stage3</c>).</param>
    /// <param name="reads">What it reads: inputs of the network or what earlier stages write.</param>
    /// <param name="writes">What it writes; each name is written by one stage only.</param>
    /// <param name="modules">The modules that it owns with all below them; empty for a stage without state.</param>
    /// <param name="body">
    /// From a bundle of what it reads to a bundle of what it writes. Inputs are borrowed: it must not change them.
    /// </param>
    public Stage(
        string name,
        IReadOnlyList<string> reads,
        IReadOnlyList<string> writes,
        IReadOnlyList<torch.nn.Module> modules,
        Func<Operations, Bundle, Bundle> body)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(reads);
        ArgumentNullException.ThrowIfNull(writes);
        ArgumentNullException.ThrowIfNull(modules);
        ArgumentNullException.ThrowIfNull(body);
        if (reads.Count == 0) throw new ArgumentException($"the stage \"{name}\" reads nothing", nameof(reads));
        if (writes.Count == 0) throw new ArgumentException($"the stage \"{name}\" writes nothing", nameof(writes));
        Name = name;
        Reads = [.. reads];
        Writes = [.. writes];
        _modules = [.. modules];
        Body = body;
    }

    /// <summary>Creates a stage that reads one tensor and writes one.</summary>
    /// <param name="name">Its name, which is also that of the tensor that it writes unless <paramref name="write"/> says otherwise.</param>
    /// <param name="read">What it reads.</param>
    /// <param name="modules">The modules that it owns with all below them.</param>
    /// <param name="body">From the one value to the other.</param>
    /// <param name="write">What it writes; default <paramref name="name"/>.</param>
    public Stage(string name, string read, IReadOnlyList<torch.nn.Module> modules, Func<Operations, Value, Value> body, string? write = null)
        : this(name, [read], [write ?? name], modules, (operations, bundle) => new Bundle((write ?? name, body(operations, bundle[read]))))
    {
        ArgumentNullException.ThrowIfNull(body);
    }

    /// <summary>
    /// Creates a stage from a function of tensors, for a network that is not written in <see cref="Operations"/>. It runs and
    /// trains like any stage, but cannot be compiled or exported.
    /// </summary>
    /// <param name="name">Its name, which is also that of the tensor that it writes unless <paramref name="write"/> says otherwise.</param>
    /// <param name="read">What it reads.</param>
    /// <param name="modules">The modules that it owns with all below them.</param>
    /// <param name="function">From a tensor, which it borrows and must not change, to a new one.</param>
    /// <param name="write">What it writes; default <paramref name="name"/>.</param>
    /// <param name="shapes">From its input's shape to its output's, for the cost; null where unknown before it runs.</param>
    public static Stage FromFunction(
        string name,
        string read,
        IReadOnlyList<torch.nn.Module> modules,
        Func<torch.Tensor, torch.Tensor> function,
        string? write = null,
        ShapeFunction? shapes = null)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new Stage(name, read, modules, (operations, x) => operations.Call(name, function, x, shapes), write);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The names of what it reads.</summary>
    public IReadOnlyList<string> Reads { get; }

    /// <summary>The names of what it writes, in order.</summary>
    public IReadOnlyList<string> Writes { get; }

    /// <summary>The modules that it owns with all below them.</summary>
    public IReadOnlyList<torch.nn.Module> Modules => _modules;

    /// <summary>Tensors that it owns besides; default none.</summary>
    public IReadOnlyList<OwnedTensor> Tensors
    {
        get => _tensors;
        init => _tensors = value;
    }

    /// <summary>
    /// How many rows of the batch dimension of what it writes belong to one sample; default 1. A network that looks at a key
    /// frame and four supporting frames has 5.
    /// </summary>
    public int RowsPerSample { get; init; } = 1;

    /// <summary>From a bundle of what it reads to a bundle of what it writes.</summary>
    public Func<Operations, Bundle, Bundle> Body { get; }

    /// <summary>
    /// The same step as part of a larger network that has this stage's network as a child: under another name, with other names of tensors.
    /// </summary>
    /// <param name="name">The new name, for example <c>hrnet.stage3</c>.</param>
    /// <param name="rename">From a tensor's present name to the new one; different names stay different.</param>
    /// <param name="rowsPerSample">Rows of a sample; default as before.</param>
    public Stage Renamed(string name, Func<string, string> rename, int? rowsPerSample = null)
    {
        ArgumentNullException.ThrowIfNull(rename);
        return new Stage(name, [.. Reads.Select(rename)], [.. Writes.Select(rename)], Modules, (operations, bundle) =>
        {
            var outputs = Body(operations, new Bundle(Reads.Select(read => (read, bundle[rename(read)]))));
            return new Bundle(outputs.Names.Select(written => (rename(written), outputs[written])));
        })
        {
            Tensors = Tensors,
            RowsPerSample = rowsPerSample ?? RowsPerSample,
        };
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Interprets the body and checks what it hands back.</summary>
    /// <param name="operations">The interpreter.</param>
    /// <param name="inputs">What the stage reads, at the least.</param>
    /// <returns>What the stage writes, in the order of <see cref="Writes"/>.</returns>
    /// <exception cref="FrostlineException">The body does not hand back what the stage declares to write.</exception>
    public Bundle Apply(Operations operations, Bundle inputs)
    {
        ArgumentNullException.ThrowIfNull(operations);
        ArgumentNullException.ThrowIfNull(inputs);
        var outputs = Body(operations, new Bundle(Reads.Select(name => (name, inputs[name]))));
        foreach (var name in Writes)
            if (!outputs.Contains(name))
                throw new FrostlineException(
                    $"the stage \"{Name}\" declares to write \"{name}\", " +
                    $"but its body hands back {string.Join(", ", outputs.Names)}");
        return new Bundle(Writes.Select(name => (name, outputs[name])));
    }

    /// <summary>Owns other modules in the places of some; what the body computes with is not its matter.</summary>
    /// <param name="replacements">What replaces a module, by reference.</param>
    internal void Exchange(IReadOnlyDictionary<torch.nn.Module, torch.nn.Module> replacements)
    {
        _modules = [.. _modules.Select(module => replacements.GetValueOrDefault(module, module))];
        _tensors = [.. _tensors.Select(tensor => tensor with { Owner = replacements.GetValueOrDefault(tensor.Owner, tensor.Owner) })];
    }
}
