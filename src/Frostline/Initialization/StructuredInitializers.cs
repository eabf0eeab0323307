using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Frostline.Initialization;

/// <summary>
/// A (semi-)orthogonal matrix times a gain, uniformly distributed: the tensor is seen as <c>[rows, the rest]</c>; with no more
/// rows than columns its rows are orthonormal, otherwise its columns. It is the Q of a normal matrix's QR decomposition with a
/// positive diagonal of R, by modified Gram-Schmidt with one reorthogonalisation. Source: Saxe et al., "Exact solutions to the
/// nonlinear dynamics of learning in deep linear neural networks", 2013; PyTorch <c>orthogonal_</c>.
/// </summary>
public sealed class Orthogonal : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="gain">The factor; default 1.</param>
    public Orthogonal(double gain = 1)
    {
        Require(Id, "gain", gain);
        Gain = gain;
    }

    /// <summary>The factor.</summary>
    public double Gain { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "orthogonal";

    /// <inheritdoc/>
    public override bool IsElementwise => false;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("gain", Text(Gain))];

    /// <inheritdoc/>
    public override void Check(InitializationTarget target)
    {
        if (target.Tensor.Shape.Count < 2) throw Unsuitable(target, "needs at least two dimensions");
    }

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        if (values.IsEmpty) return;
        var rows = checked((int)target.Tensor.Shape[0]);
        var columns = values.Length / rows;
        var (count, length) = (Math.Min(rows, columns), Math.Max(rows, columns));
        var wide = rows <= columns;
        var vectors = wide ? values : new double[values.Length];
        Draw.Normal(vectors, 0, 1, random);
        for (var i = 0; i < count; i++)
        {
            var current = vectors.Slice(i * length, length);
            // Once more, because rounding leaves parts of the earlier vectors behind ("twice is enough", Parlett 1980).
            for (var pass = 0; pass < 2; pass++)
            {
                for (var j = 0; j < i; j++)
                {
                    var earlier = vectors.Slice(j * length, length);
                    AddScaled(current, earlier, -Dot(current, earlier));
                }

                Scale(current, 1 / Math.Sqrt(Dot(current, current)));
            }
        }

        if (!wide)
        {
            for (var row = 0; row < rows; row++)
                for (var column = 0; column < columns; column++)
                    values[(row * columns) + column] = vectors[(column * length) + row];
        }

        Scale(values, Gain);
    }

    // Eight fixed lanes: the sum's order, and so its last bit, does not depend on the processor's vector width.
    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var lanesA = MemoryMarshal.Cast<double, Vector512<double>>(a);
        var lanesB = MemoryMarshal.Cast<double, Vector512<double>>(b);
        var lanes = Vector512<double>.Zero;
        for (var i = 0; i < lanesA.Length; i++) lanes += lanesA[i] * lanesB[i];
        var sum = 0.0;
        for (var lane = 0; lane < Vector512<double>.Count; lane++) sum += lanes[lane];
        for (var i = lanesA.Length * Vector512<double>.Count; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    private static void AddScaled(Span<double> target, ReadOnlySpan<double> other, double factor)
    {
        var lanes = MemoryMarshal.Cast<double, Vector512<double>>(target);
        var others = MemoryMarshal.Cast<double, Vector512<double>>(other);
        for (var i = 0; i < lanes.Length; i++) lanes[i] += others[i] * factor;
        for (var i = lanes.Length * Vector512<double>.Count; i < target.Length; i++) target[i] += other[i] * factor;
    }

    private static void Scale(Span<double> values, double factor)
    {
        foreach (ref var value in values) value *= factor;
    }
}

/// <summary>
/// The identity as a convolution: <c>[g * out/groups + i, i, centre] = 1</c> for each group g and each i below both the group's
/// outputs and the inputs, all else 0, so that channels pass unchanged. The centre is size / 2, rounded down. Source: Zagoruyko
/// and Komodakis, "DiracNets", 2017; PyTorch <c>dirac_</c>. It is also the identity kernel of a deformable convolution.
/// </summary>
public sealed class Dirac : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="groups">The convolution's groups, which must divide its outputs; default 1.</param>
    public Dirac(int groups = 1)
    {
        Require(Id, "groups", groups, least: 1);
        Groups = groups;
    }

    /// <summary>The convolution's groups.</summary>
    public int Groups { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "dirac";

    /// <inheritdoc/>
    public override bool IsElementwise => false;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [("groups", Text(Groups))];

    /// <inheritdoc/>
    public override void Check(InitializationTarget target)
    {
        var shape = target.Tensor.Shape;
        if (shape.Count is < 3 or > 5) throw Unsuitable(target, "needs 3, 4 or 5 dimensions");
        if (shape[0] % Groups != 0) throw Unsuitable(target, $"needs a first dimension that {Groups} groups divide");
    }

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        values.Clear();
        var shape = target.Tensor.Shape;
        long kernel = 1, centre = 0;
        for (var i = 2; i < shape.Count; i++) (kernel, centre) = (kernel * shape[i], (centre * shape[i]) + (shape[i] / 2));
        if (kernel == 0) return;
        var perGroup = shape[0] / Groups;
        for (var output = 0L; output < shape[0]; output++)
        {
            var input = output % perGroup;
            if (input < shape[1]) values[checked((int)((((output * shape[1]) + input) * kernel) + centre))] = 1;
        }
    }
}

/// <summary>The identity matrix: 1 where row and column are equal, else 0. Source: PyTorch <c>eye_</c>.</summary>
public sealed class Eye : Initializer
{
    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "eye";

    /// <inheritdoc/>
    public override bool IsElementwise => false;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings => [];

    /// <inheritdoc/>
    public override void Check(InitializationTarget target)
    {
        if (target.Tensor.Shape.Count != 2) throw Unsuitable(target, "needs exactly two dimensions");
    }

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        values.Clear();
        var (rows, columns) = (target.Tensor.Shape[0], target.Tensor.Shape[1]);
        for (var i = 0L; i < Math.Min(rows, columns); i++) values[checked((int)((i * columns) + i))] = 1;
    }
}

/// <summary>
/// Normal with mean 0, and in each column <c>ceil(sparsity * rows)</c> elements, chosen at random, are 0. Source: Martens, "Deep
/// learning via Hessian-free optimization", ICML 2010; PyTorch <c>sparse_</c>.
/// </summary>
public sealed class Sparse : Initializer
{
    /// <summary>Creates the initializer.</summary>
    /// <param name="sparsity">The share of each column that is 0, from 0 to 1.</param>
    /// <param name="deviation">The standard deviation of the others, at least 0; default 0.01.</param>
    public Sparse(double sparsity, double deviation = 0.01)
    {
        Require(Id, "sparsity", sparsity, 0, 1);
        Require(Id, "deviation", deviation, least: 0);
        (Sparsity, Deviation) = (sparsity, deviation);
    }

    /// <summary>The share of each column that is 0.</summary>
    public double Sparsity { get; }

    /// <summary>The standard deviation of the others.</summary>
    public double Deviation { get; }

    /// <inheritdoc/>
    public override string Name => Id;

    internal const string Id = "sparse";

    /// <inheritdoc/>
    public override bool IsElementwise => false;

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Key, string Value)> Settings =>
        [("sparsity", Text(Sparsity)), ("deviation", Text(Deviation))];

    /// <inheritdoc/>
    public override void Check(InitializationTarget target)
    {
        if (target.Tensor.Shape.Count != 2) throw Unsuitable(target, "needs exactly two dimensions");
    }

    /// <inheritdoc/>
    public override void Fill(InitializationTarget target, Span<double> values, CounterRandom random)
    {
        Draw.Normal(values, 0, Deviation, random);
        var (rows, columns) = (checked((int)target.Tensor.Shape[0]), checked((int)target.Tensor.Shape[1]));
        var zeros = (int)Math.Ceiling(Sparsity * rows);
        var order = new int[rows];
        for (var column = 0; column < columns; column++)
        {
            for (var row = 0; row < rows; row++) order[row] = row;
            random.Shuffle<int>(order);
            foreach (var row in order.AsSpan(0, zeros)) values[(row * columns) + column] = 0;
        }
    }
}
