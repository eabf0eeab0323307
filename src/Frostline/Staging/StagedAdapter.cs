using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Gives stages to a module that has none and cannot be changed; a module of one's own better implements
/// <see cref="IStagedNetwork"/> itself. The adapter has the module's children under their own names, so that no parameter's
/// name changes, and takes the module over: disposing the adapter disposes it.
/// </summary>
/// <example>
/// <code>
/// using var staged = new StagedAdapter(network,
/// [
///     Stage.FromFunction("backbone", "image", [network.features], network.features.call),
///     Stage.FromFunction("head", "backbone", [network.classifier], x => network.classifier.call(x.flatten(1)), write: "logits"),
/// ]);
/// </code>
/// </example>
public sealed class StagedAdapter : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    // Delegates: a field of a module type would count as a child.
    private readonly Action<bool> _train;
    private readonly Action _dispose;

    /// <summary>Creates the adapter.</summary>
    /// <param name="module">The module.</param>
    /// <param name="stages">Its stages, in order; together they own all its parameters and buffers.</param>
    /// <param name="inputs">The names of what it is given; default <c>image</c>.</param>
    /// <param name="outputs">The names of what it puts out; default <c>logits</c>.</param>
    /// <exception cref="FrostlineException">
    /// The stages do not fit together or do not own everything once, or the module has parameters or buffers directly on
    /// itself, which cannot be shared.
    /// </exception>
    public StagedAdapter(
        nn.Module module, IReadOnlyList<Stage> stages, IReadOnlyList<string>? inputs = null, IReadOnlyList<string>? outputs = null)
        : base((module ?? throw new ArgumentNullException(nameof(module))).GetName())
    {
        ArgumentNullException.ThrowIfNull(stages);
        var direct = module.named_parameters(recurse: false).Select(p => p.name)
            .Concat(module.named_buffers(recurse: false).Select(b => b.name)).FirstOrDefault();
        if (direct is not null)
            throw new FrostlineException(
                $"{module.GetName()} has \"{direct}\" directly on itself, which an adapter cannot share; " +
                "implement IStagedNetwork on the module");
        Stages = [.. stages];
        Inputs = inputs is null ? ["image"] : [.. inputs];
        Outputs = outputs is null ? ["logits"] : [.. outputs];
        _train = module.train;
        _dispose = module.Dispose;
        foreach (var (name, child) in module.named_children()) register_module(name, child);
        _ = StageMap.Of(this);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>Runs the stages; for a network with one input and one output.</summary>
    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);

    /// <summary>Sets the mode of the module and of all below it.</summary>
    /// <param name="train">Training, or evaluation.</param>
    public override void train(bool train = true)
    {
        base.train(train);
        _train(train);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _dispose();
        base.Dispose(disposing);
    }
}
