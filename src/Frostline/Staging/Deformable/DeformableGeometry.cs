namespace Frostline.Staging;

/// <summary>Rows and columns of something that lies on a map.</summary>
internal readonly record struct Extent2(long Height, long Width);

/// <summary>The numbers of a deformable convolution.</summary>
/// <param name="Inputs">Channels that it reads.</param>
/// <param name="Outputs">Channels that it puts out.</param>
/// <param name="Kernel">Rows and columns of the kernel.</param>
/// <param name="Stride">From window to window.</param>
/// <param name="Padding">Zeros on each side.</param>
/// <param name="Dilation">From tap to tap of the kernel.</param>
/// <param name="Groups">Into how many groups channels are split, as in any convolution.</param>
internal sealed record DeformableGeometry(
    long Inputs, long Outputs, Extent2 Kernel, Extent2 Stride, Extent2 Padding, Extent2 Dilation, long Groups)
{
    /// <summary>Elements of the kernel.</summary>
    internal long Taps => Kernel.Height * Kernel.Width;

    /// <summary>The sizes for a map with its offsets and mask; how many groups share an offset follows from the offsets' channels.</summary>
    /// <exception cref="FrostlineException">A shape does not fit; the message says which would.</exception>
    internal DeformableSizes Sizes(IReadOnlyList<long> input, IReadOnlyList<long> offset, IReadOnlyList<long>? mask)
    {
        if (input.Count != 4 || input[1] != Inputs)
            throw new FrostlineException($"a deformable convolution reads a map [N, {Inputs}, H, W] but gets {Text(input)}; give it {Inputs} channels");
        var output = OutputOf(input[2], input[3]);
        if (output.Height < 1 || output.Width < 1)
            throw new FrostlineException(
                $"a deformable convolution has nothing left to put out for the map {Text(input)}; the input is too small for its kernel of {KernelText}");
        var offsetGroups = offset.Count == 4 ? offset[1] / (2 * Taps) : 0;
        if (offsetGroups < 1 || Inputs % offsetGroups != 0 || !offset.SequenceEqual([input[0], 2 * offsetGroups * Taps, output.Height, output.Width]))
            throw new FrostlineException(
                $"a deformable convolution with a kernel of {KernelText} over the map {Text(input)} needs offsets [{input[0]}, 2 * {Taps} * groups, " +
                $"{output.Height}, {output.Width}], where groups divides {Inputs}, but gets {Text(offset)}; give each tap of each group dy, then dx");
        if (mask is not null && !mask.SequenceEqual([input[0], offsetGroups * Taps, output.Height, output.Width]))
            throw new FrostlineException(
                $"a deformable convolution with offsets {Text(offset)} needs a mask [{input[0]}, {offsetGroups * Taps}, {output.Height}, {output.Width}] " +
                $"but gets {Text(mask)}; give it one number for each pair of offsets");
        return new DeformableSizes(this, input[0], new Extent2(input[2], input[3]), output, offsetGroups);
    }

    /// <summary>The output's size for a map's; 0 where the map is too small.</summary>
    internal Extent2 OutputOf(long height, long width) => new(
        Windows(height, Kernel.Height, Stride.Height, Padding.Height, Dilation.Height),
        Windows(width, Kernel.Width, Stride.Width, Padding.Width, Dilation.Width));

    private string KernelText => $"{Kernel.Height} x {Kernel.Width}";

    private static long Windows(long size, long kernel, long stride, long padding, long dilation)
    {
        var span = size + (2 * padding) - (dilation * (kernel - 1)) - 1;
        return span < 0 ? 0 : (span / stride) + 1;
    }

    private static string Text(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";
}

/// <summary>A deformable convolution over maps of one size.</summary>
/// <param name="Geometry">Its numbers.</param>
/// <param name="Samples">Maps of the batch.</param>
/// <param name="Input">Rows and columns of the map that it reads.</param>
/// <param name="Output">Rows and columns of the map that it puts out.</param>
/// <param name="OffsetGroups">Into how many groups channels are split that share their offsets and mask.</param>
internal sealed record DeformableSizes(DeformableGeometry Geometry, long Samples, Extent2 Input, Extent2 Output, long OffsetGroups)
{
    /// <summary>Positions of the output's map.</summary>
    internal long Positions => Output.Height * Output.Width;

    /// <summary>Rows of the matrix of samples (the unfolded input): one for each channel and tap.</summary>
    internal long Rows => Geometry.Inputs * Geometry.Taps;

    /// <summary>The output's shape.</summary>
    internal long[] Shape => [Samples, Geometry.Outputs, Output.Height, Output.Width];

    /// <summary>
    /// How many maps are unfolded at a time: as few as give each of some threads a group of channels to work on.
    /// </summary>
    internal long SamplesAtOnce(int threads) => Math.Clamp((threads + OffsetGroups - 1) / OffsetGroups, 1, Math.Max(1, Samples));
}
