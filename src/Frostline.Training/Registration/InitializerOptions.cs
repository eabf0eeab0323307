using System.ComponentModel.DataAnnotations;
using Frostline.Initialization;

namespace Frostline.Training.Registration;

/// <summary>Options of <see cref="Constant"/>.</summary>
public sealed class ConstantOptions
{
    /// <summary>The value of every element.</summary>
    [RequiredKey]
    [Shorthand]
    public double Value { get; set; }
}

/// <summary>Options of <see cref="Uniform"/>.</summary>
public sealed class UniformOptions
{
    /// <summary>The lower bound. Default: 0.</summary>
    public double Low { get; set; }

    /// <summary>The upper bound. Default: 1.</summary>
    public double High { get; set; } = 1;
}

/// <summary>Options of <see cref="Normal"/>.</summary>
public sealed class NormalOptions
{
    /// <summary>The mean. Default: 0.</summary>
    public double Mean { get; set; }

    /// <summary>The standard deviation. Default: 1.</summary>
    [Range(0d, double.MaxValue)]
    public double Deviation { get; set; } = 1;
}

/// <summary>Options of <see cref="TruncatedNormal"/>.</summary>
public sealed class TruncatedNormalOptions
{
    /// <summary>The mean before cutting. Default: 0.</summary>
    public double Mean { get; set; }

    /// <summary>The standard deviation before cutting. Default: 1.</summary>
    [Range(0d, double.MaxValue)]
    public double Deviation { get; set; } = 1;

    /// <summary>The lower bound, an absolute value. Default: -2.</summary>
    public double Low { get; set; } = -2;

    /// <summary>The upper bound, an absolute value. Default: 2.</summary>
    public double High { get; set; } = 2;
}

/// <summary>Options of initializers that have a gain only.</summary>
public sealed class GainOptions
{
    /// <summary>The factor on the deviation. Default: 1.</summary>
    public double Gain { get; set; } = 1;
}

/// <summary>Options of <see cref="KaimingUniform"/> and <see cref="KaimingNormal"/>.</summary>
public sealed class KaimingOptions
{
    /// <summary>Which connections are counted: of one output (<c>in</c>) or of one input (<c>out</c>). Default: in.</summary>
    public FanMode Fan { get; set; } = FanMode.In;

    /// <summary>The function that follows; it decides the gain. Default: leaky-relu, which with slope 0 is relu.</summary>
    public Nonlinearity Nonlinearity { get; set; } = Nonlinearity.LeakyRelu;

    /// <summary>The negative slope of leaky-relu. Default: 0.</summary>
    public double Slope { get; set; }
}

/// <summary>Options of <see cref="PriorProbability"/>.</summary>
public sealed class PriorProbabilityOptions
{
    /// <summary>The probability that the score stands for. Default: 0.01.</summary>
    [Range(0d, 1d, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double Probability { get; set; } = 0.01;
}

/// <summary>Options of <see cref="Dirac"/>.</summary>
public sealed class DiracOptions
{
    /// <summary>The groups of the convolution. Default: 1.</summary>
    [Range(1, int.MaxValue)]
    public int Groups { get; set; } = 1;
}

/// <summary>Options of <see cref="IdentityKernel"/>.</summary>
public sealed class IdentityKernelOptions
{
    /// <summary>The groups of the convolution. Default: 1.</summary>
    [Range(1, int.MaxValue)]
    public int Groups { get; set; } = 1;

    /// <summary>The value at the centre: 2 where the sigmoid of 0 masks the samples. Default: 1.</summary>
    public double Scale { get; set; } = 1;
}

/// <summary>Options of <see cref="Sparse"/>.</summary>
public sealed class SparseOptions
{
    /// <summary>The share of each column that is 0.</summary>
    [RequiredKey]
    [Percentage]
    [Range(0d, 1d)]
    public double Sparsity { get; set; }

    /// <summary>The standard deviation of the rest. Default: 0.01.</summary>
    [Range(0d, double.MaxValue)]
    public double Deviation { get; set; } = 0.01;
}

/// <summary>Names initializers and schemes for recipes.</summary>
internal static class InitializerRegistration
{
    public static void Register(Catalog<Initializer> catalog)
    {
        catalog.Register<ConstantOptions>("constant", "every element is one value", (o, _) => new Constant(o.Value));
        catalog.Register<NoOptions>("zeros", "every element is 0", (_, _) => Constant.Zeros);
        catalog.Register<NoOptions>("ones", "every element is 1", (_, _) => Constant.Ones);
        catalog.Register<UniformOptions>("uniform", "uniform between two bounds", (o, _) => new Uniform(o.Low, o.High));
        catalog.Register<NormalOptions>("normal", "normal", (o, _) => new Normal(o.Mean, o.Deviation));
        catalog.Register<TruncatedNormalOptions>(
            "truncated-normal", "normal, cut off at two bounds", (o, _) => new TruncatedNormal(o.Mean, o.Deviation, o.Low, o.High));
        catalog.Register<GainOptions>("xavier-uniform", "Glorot and Bengio's, uniform", (o, _) => new XavierUniform(o.Gain));
        catalog.Register<GainOptions>("xavier-normal", "Glorot and Bengio's, normal", (o, _) => new XavierNormal(o.Gain));
        catalog.Register<KaimingOptions>("kaiming-uniform", "He's, uniform", (o, _) => new KaimingUniform(o.Fan, o.Nonlinearity, o.Slope));
        catalog.Register<KaimingOptions>("kaiming-normal", "He's, normal", (o, _) => new KaimingNormal(o.Fan, o.Nonlinearity, o.Slope));
        catalog.Register<NoOptions>("fan-in-bias", "uniform within 1 / sqrt(fan in of the weight beside it)", (_, _) => new FanInBias());
        catalog.Register<PriorProbabilityOptions>(
            "prior-probability", "the logit of a probability, for biases of scores", (o, _) => new PriorProbability(o.Probability));
        catalog.Register<GainOptions>("orthogonal", "orthonormal rows or columns", (o, _) => new Orthogonal(o.Gain));
        catalog.Register<DiracOptions>("dirac", "the identity as a convolution", (o, _) => new Dirac(o.Groups));
        catalog.Register<IdentityKernelOptions>(
            "identity-kernel", "the identity as a deformable convolution without offsets", (o, _) => new IdentityKernel(o.Groups, o.Scale));
        catalog.Register<NoOptions>("eye", "the identity matrix", (_, _) => new Eye());
        catalog.Register<SparseOptions>("sparse", "normal, with zeros in each column", (o, _) => new Sparse(o.Sparsity, o.Deviation));
    }

    public static void Register(Catalog<InitializationScheme> catalog)
    {
        foreach (var scheme in InitializationScheme.All)
            catalog.Register<NoOptions>(scheme.Name, $"the initialisation of {scheme.Name}, layer by layer", (_, _) => scheme);
    }
}
