using Frostline.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// A deformable convolution: each tap of the kernel reads the map where an offset says, between its elements bilinearly, times a mask
/// (modulated, DCNv2). Weight and bias have PyTorch's names and shapes. It computes what torchvision's <c>deform_conv2d</c> does, on the
/// processor, in float32 or float64.
/// </summary>
/// <remarks>
/// Source: Dai et al., "Deformable Convolutional Networks", ICCV 2017; Zhu et al., "Deformable ConvNets v2", CVPR 2019. Forward and backward
/// make one unfolded map <c>[C * K, Ho * Wo]</c> at a time (with few groups of offsets, one for each thread) and keep none; the backward pass
/// samples again. It has no second derivative. Where its backward pass fails, for example because a tensor that it read was
/// changed in place since, it writes the reason to the standard error and libtorch throws.
/// </remarks>
public sealed class DeformableConvolution : nn.Module<Tensor, Tensor, Tensor?, Tensor>
{
    /// <summary>Creates a convolution with equal heights and widths.</summary>
    /// <param name="inputs">Channels that it reads, at least 1.</param>
    /// <param name="outputs">Channels that it puts out, at least 1.</param>
    /// <param name="kernel">Rows and columns of the kernel.</param>
    /// <param name="stride">From window to window; default 1.</param>
    /// <param name="padding">Zeros on each side; default 0.</param>
    /// <param name="dilation">From tap to tap; default 1.</param>
    /// <param name="groups">Into how many groups channels are split, as in any convolution; default 1.</param>
    /// <param name="bias">Whether it has a bias; default true.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="ArgumentException">The groups do not divide inputs and outputs.</exception>
    public DeformableConvolution(
        long inputs, long outputs, long kernel, long stride = 1, long padding = 0, long dilation = 1, long groups = 1, bool bias = true)
        : this(inputs, outputs, (kernel, kernel), (stride, stride), (padding, padding), (dilation, dilation), groups, bias)
    {
    }

    /// <summary>Creates a convolution. Weight and bias are drawn as those of PyTorch's convolutions are.</summary>
    /// <param name="inputs">Channels that it reads, at least 1.</param>
    /// <param name="outputs">Channels that it puts out, at least 1.</param>
    /// <param name="kernel">Rows and columns of the kernel.</param>
    /// <param name="stride">From window to window; default 1.</param>
    /// <param name="padding">Zeros on each side; default 0.</param>
    /// <param name="dilation">From tap to tap; default 1.</param>
    /// <param name="groups">Into how many groups channels are split, as in any convolution; default 1.</param>
    /// <param name="bias">Whether it has a bias; default true.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="ArgumentException">The groups do not divide inputs and outputs.</exception>
    public DeformableConvolution(
        long inputs, long outputs, (long Height, long Width) kernel, (long Height, long Width)? stride = null,
        (long Height, long Width)? padding = null, (long Height, long Width)? dilation = null, long groups = 1, bool bias = true)
        : base(nameof(DeformableConvolution))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(groups, 1);
        if (inputs % groups != 0 || outputs % groups != 0)
            throw new ArgumentException($"{groups} groups do not divide {inputs} inputs and {outputs} outputs", nameof(groups));
        Geometry = new DeformableGeometry(
            inputs, outputs, Least(kernel, 1, nameof(kernel)), Least(stride ?? (1, 1), 1, nameof(stride)), Least(padding ?? (0, 0), 0, nameof(padding)),
            Least(dilation ?? (1, 1), 1, nameof(dilation)), groups);

        // Parameters belong to the module, not to the scope in which it happens to be made.
        var weight = nn.Parameter(empty(outputs, inputs / groups, kernel.Height, kernel.Width)).DetachFromDisposeScope();
        nn.init.kaiming_uniform_(weight, Math.Sqrt(5));
        register_parameter(WeightName, (Parameter)weight);
        if (!bias) return;
        var bound = 1 / Math.Sqrt(inputs / groups * Geometry.Taps);
        var shift = nn.Parameter(empty(outputs)).DetachFromDisposeScope();
        nn.init.uniform_(shift, -bound, bound);
        register_parameter(BiasName, (Parameter)shift);
    }

    // Names, not fields: to() exchanges parameters, and only the module's table is sure to know the new ones.
    private const string WeightName = "weight";
    private const string BiasName = "bias";

    /// <summary>The weight, <c>[outputs, inputs / groups, rows, columns]</c>.</summary>
    public Parameter Weight => ModuleComponents.Parameters(this)[WeightName];

    /// <summary>The bias, <c>[outputs]</c>, or null.</summary>
    public Parameter? Bias => ModuleComponents.Parameters(this).TryGetValue(BiasName, out var bias) ? bias : null;

    /// <summary>Channels that it reads.</summary>
    public long Inputs => Geometry.Inputs;

    /// <summary>Channels that it puts out.</summary>
    public long Outputs => Geometry.Outputs;

    /// <summary>Into how many groups channels are split.</summary>
    public long Groups => Geometry.Groups;

    /// <summary>Rows and columns of the map that it puts out, which offsets and mask have too.</summary>
    /// <param name="height">Rows of the map that it reads.</param>
    /// <param name="width">Columns of the map that it reads.</param>
    /// <returns>0 where the map is too small for the kernel.</returns>
    public (long Height, long Width) OutputSize(long height, long width)
    {
        var size = Geometry.OutputOf(height, width);
        return (size.Height, size.Width);
    }

    internal DeformableGeometry Geometry { get; }

    /// <summary>Computes.</summary>
    /// <param name="input">The map, <c>[N, inputs, H, W]</c>.</param>
    /// <param name="offset">
    /// <c>[N, 2 * G * K, Ho, Wo]</c>, in elements: for each of G groups of channels, whose number follows from this shape, and each of
    /// the kernel's K taps, row by row, how far down it is moved, then how far to the right.
    /// </param>
    /// <param name="mask"><c>[N, G * K, Ho, Wo]</c>: what each sample is multiplied with; null for 1. It is taken as it is, without a sigmoid.</param>
    /// <returns><c>[N, outputs, Ho, Wo]</c>.</returns>
    /// <exception cref="FrostlineException">A shape, type or device does not fit; the message says which would.</exception>
    public override Tensor forward(Tensor input, Tensor offset, Tensor? mask)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(offset);
        return DeformableFunction.Run(Geometry, input, offset, mask, Weight, Bias);
    }

    private static Extent2 Least((long Height, long Width) size, long least, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size.Height, least, name);
        ArgumentOutOfRangeException.ThrowIfLessThan(size.Width, least, name);
        return new Extent2(size.Height, size.Width);
    }
}
