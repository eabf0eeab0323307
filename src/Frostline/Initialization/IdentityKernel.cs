namespace Frostline.Initialization;

/// <summary>
/// The kernel of a deformable convolution that puts out its input while the offsets are 0: <c>[g * n + i, i, centre] = scale</c> for each
/// group g and each of its n channels i, all else 0. With the offset convolution drawn by <see cref="Constant.Zeros"/> the layer samples
/// where a plain convolution does (Dai et al., "Deformable Convolutional Networks", 2017, section 2.1). A modulated one multiplies each
/// sample by a mask m (Zhu et al., "Deformable ConvNets v2", 2018): scale is 1 / m, thus 2 for the sigmoid of 0, and 1 where the mask's
/// bias is 1 and no sigmoid follows.
/// </summary>
public sealed class IdentityKernel : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="groups">The convolution's groups; default 1.</param>
    /// <param name="scale">The value at the centre; default 1.</param>
    public IdentityKernel(int groups = 1, double scale = 1)
    {
        Require(Id, "groups", groups, least: 1);
        Require(Id, "scale", scale);
        (Groups, Scale) = (groups, scale);
    }

    /// <summary>The convolution's groups.</summary>
    public int Groups { get; }

    /// <summary>The value at the centre.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "identity-kernel";

    /// <inheritdoc/>
    public override bool IsElementwise => false;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("groups", Text(Groups)), ("scale", Text(Scale))];

    /// <inheritdoc/>
    public override void Check(InitializationTarget target)
    {
        var shape = target.Tensor.Shape;
        if (shape.Count != 4 || shape[2] % 2 == 0 || shape[3] % 2 == 0)
            throw Unsuitable(target, "needs 4 dimensions and odd kernel sizes");
        if (shape[0] != shape[1] * Groups)
            throw Unsuitable(target, $"needs as many outputs as inputs, which are {shape[1] * Groups} in {Groups} groups");
    }

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        new Dirac(Groups).Fill(target, values, random);
        foreach (ref var value in values) value *= Scale;
    }
}
