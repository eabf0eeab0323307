using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// A module of several layers whose computation is written in <see cref="Operations"/>, as stages are: a residual block, a
/// fire module. Its forward is that computation, so that it works as any module does, hooks included.
/// </summary>
public abstract class Block : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates the block; a subclass registers its layers.</summary>
    /// <param name="name">The name of the type.</param>
    protected Block(string name)
        : base(name)
    {
    }

    /// <summary>What the block computes.</summary>
    public abstract Value Apply(Operations operations, Value x);

    /// <inheritdoc/>
    public sealed override Tensor forward(Tensor input) => EagerOperations.Run(input, Apply);
}
