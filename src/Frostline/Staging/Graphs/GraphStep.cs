using System.Globalization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>What a node of a <see cref="RecordedGraph"/> computes, with all its numbers; what it reads stands in the node.</summary>
internal abstract record GraphStep
{
    /// <summary>The step and its numbers as text, without weights: equal texts mean equal structure.</summary>
    internal abstract string Describe();

    /// <summary>The tensors that it computes with, in a fixed order.</summary>
    internal virtual IEnumerable<Tensor> Weights => [];

    /// <summary>Whether it puts out new memory, which whoever reads it last may write over; false where it may be a view of what it reads.</summary>
    internal virtual bool IsFresh => true;

    protected static string Text(params IEnumerable<object?> parts) =>
        string.Join(' ', parts.Select(part => part switch
        {
            long[] numbers => string.Join('x', numbers),
            null => "-",
            _ => string.Format(CultureInfo.InvariantCulture, "{0}", part),
        }));
}

/// <summary>An input of the graph.</summary>
internal sealed record InputStep(string Name) : GraphStep
{
    internal override bool IsFresh => false;

    internal override string Describe() => Text("input", Name);
}

/// <summary>A convolution, transposed or not.</summary>
/// <param name="Weight"><c>[out, in / groups, kernel…]</c>, transposed <c>[in, out / groups, kernel…]</c>; borrowed.</param>
/// <param name="Bias"><c>[out]</c>, or null.</param>
/// <param name="Stride">From window to window.</param>
/// <param name="Padding">Zeros on each side; null for as many as keep the size (PyTorch's <c>same</c>).</param>
/// <param name="Dilation">From element to element of the kernel.</param>
/// <param name="OutputPadding">Added to the size of a transposed one.</param>
/// <param name="Groups">Into how many groups channels are split.</param>
/// <param name="IsTransposed">Whether it is transposed.</param>
internal sealed record ConvolutionStep(
    Tensor Weight, Tensor? Bias, long[] Stride, long[]? Padding, long[] Dilation, long[] OutputPadding, long Groups, bool IsTransposed) : GraphStep
{
    internal override IEnumerable<Tensor> Weights => Bias is null ? [Weight] : [Weight, Bias];

    internal static ConvolutionStep Of(Convolution convolution)
    {
        var dimensions = convolution.kernel_size.Length;
        long[] zeros = new long[dimensions];
        return new(
            convolution.weight!, convolution.bias, [.. convolution.stride],
            convolution.padding_type == TorchSharp.Padding.Same ? null : [.. convolution.padding ?? zeros],
            [.. convolution.dilation], [.. convolution.output_padding ?? zeros], convolution.groups, convolution.transposed);
    }

    internal override string Describe() =>
        Text(IsTransposed ? "transposed-convolution" : "convolution", Weight.shape, Bias is not null, Stride, Padding, Dilation, OutputPadding, Groups);
}

/// <summary>A deformable convolution of a map, offsets and, where there is a third input, a mask.</summary>
/// <param name="Weight"><c>[out, in / groups, rows, columns]</c>; borrowed.</param>
/// <param name="Bias"><c>[out]</c>, or null.</param>
/// <param name="Geometry">Its numbers.</param>
/// <param name="OffsetGroups">Into how many groups channels are split that share their offsets and mask.</param>
internal sealed record DeformableConvolutionStep(Tensor Weight, Tensor? Bias, DeformableGeometry Geometry, long OffsetGroups) : GraphStep
{
    internal override IEnumerable<Tensor> Weights => Bias is null ? [Weight] : [Weight, Bias];

    internal override string Describe() => Text("deformable-convolution", Bias is not null, Geometry, OffsetGroups);
}

/// <summary>x W^T + b over the last dimension.</summary>
internal sealed record LinearStep(Tensor Weight, Tensor? Bias) : GraphStep
{
    internal override IEnumerable<Tensor> Weights => Bias is null ? [Weight] : [Weight, Bias];

    internal override string Describe() => Text("linear", Weight.shape, Bias is not null);
}

/// <summary>A BatchNorm in inference mode: each channel (dimension 1) by its running statistics, then weight and bias.</summary>
internal sealed record BatchNormStep(Tensor Mean, Tensor Variance, Tensor? Weight, Tensor? Bias, double Epsilon) : GraphStep
{
    internal override IEnumerable<Tensor> Weights => new[] { Mean, Variance, Weight, Bias }.OfType<Tensor>();

    internal override string Describe() => Text("batch-norm", Mean.shape, Weight is not null, Bias is not null, Epsilon.ToString("R", CultureInfo.InvariantCulture));
}

/// <summary>A norm that looks at single samples.</summary>
/// <param name="Weight">Or null.</param>
/// <param name="Bias">Or null.</param>
/// <param name="Epsilon">Added to the variance.</param>
/// <param name="Groups">Groups of channels, each normalised with all of its map; 0 for LayerNorm.</param>
/// <param name="Shape">The last dimensions that LayerNorm normalises over; empty for GroupNorm.</param>
internal sealed record SampleNormStep(Tensor? Weight, Tensor? Bias, double Epsilon, long Groups, long[] Shape) : GraphStep
{
    internal override IEnumerable<Tensor> Weights => new[] { Weight, Bias }.OfType<Tensor>();

    internal override string Describe() =>
        Text(Groups > 0 ? "group-norm" : "layer-norm", Groups, Shape, Weight is not null, Bias is not null, Epsilon.ToString("R", CultureInfo.InvariantCulture));
}

/// <summary>An activation, element by element.</summary>
internal sealed record ActivationStep(ActivationKind Kind) : GraphStep
{
    internal override string Describe() => Text("activation", Kind);
}

/// <summary>The maximum of each window.</summary>
internal sealed record MaxPoolStep(Window Window) : GraphStep
{
    internal override string Describe() => Text("max-pool", Window);
}

/// <summary>The mean of each window.</summary>
internal sealed record AveragePoolStep(Window Window, bool CountPadding) : GraphStep
{
    internal override string Describe() => Text("average-pool", Window, CountPadding);
}

/// <summary>Means over nearly equal regions.</summary>
internal sealed record AdaptiveAveragePoolStep(long Height, long Width) : GraphStep
{
    internal override string Describe() => Text("adaptive-average-pool", Height, Width);
}

/// <summary>The sum of two values.</summary>
internal sealed record AddStep : GraphStep
{
    internal override string Describe() => "add";
}

/// <summary>A value times a number.</summary>
internal sealed record ScaleStep(double Factor) : GraphStep
{
    internal override string Describe() => Text("scale", Factor.ToString("R", CultureInfo.InvariantCulture));
}

/// <summary>A map moved by a translation of each sample.</summary>
internal sealed record TranslateStep : GraphStep
{
    internal override string Describe() => "translate";
}

/// <summary>Values behind each other.</summary>
internal sealed record ConcatenateStep(int Dimension) : GraphStep
{
    internal override string Describe() => Text("concatenate", Dimension);
}

/// <summary>All dimensions from one on as one.</summary>
internal sealed record FlattenStep(int From) : GraphStep
{
    internal override bool IsFresh => false;

    internal override string Describe() => Text("flatten", From);
}

/// <summary>Another shape; 0 keeps a size, -1 is what is left.</summary>
internal sealed record ReshapeStep(long[] Shape) : GraphStep
{
    internal override bool IsFresh => false;

    internal override string Describe() => Text("reshape", Shape);
}

/// <summary>A part of a dimension.</summary>
internal sealed record SliceStep(int Dimension, long Start, long End, long Step) : GraphStep
{
    internal override bool IsFresh => false;

    internal override string Describe() => Text("slice", Dimension, Start, End, Step);
}

/// <summary>Zeros around a value, for the last dimension first.</summary>
internal sealed record PadStep(long[] Padding) : GraphStep
{
    internal override string Describe() => Text("pad", Padding);
}

/// <summary>A map in another size.</summary>
internal sealed record ResizeStep(long Height, long Width, ResizeMode Mode) : GraphStep
{
    internal override string Describe() => Text("resize", Height, Width, Mode);
}
