namespace Frostline.Staging;

/// <summary>The window of a two-dimensional pooling, in elements.</summary>
/// <param name="KernelHeight">Rows of the window.</param>
/// <param name="KernelWidth">Columns of the window.</param>
/// <param name="StrideHeight">Rows from one window to the next.</param>
/// <param name="StrideWidth">Columns from one window to the next.</param>
/// <param name="PaddingHeight">Rows added above and below.</param>
/// <param name="PaddingWidth">Columns added left and right.</param>
/// <param name="Ceiling">Whether a last, incomplete window counts (PyTorch's <c>ceil_mode</c>).</param>
public readonly record struct Window(
    long KernelHeight, long KernelWidth, long StrideHeight, long StrideWidth, long PaddingHeight = 0, long PaddingWidth = 0, bool Ceiling = false)
{
    /// <summary>A window with equal height and width.</summary>
    /// <param name="kernel">Rows and columns of the window.</param>
    /// <param name="stride">From one window to the next.</param>
    /// <param name="padding">Rows and columns added on each side; default 0.</param>
    /// <param name="ceiling">Whether a last, incomplete window counts; default false.</param>
    public static Window Square(long kernel, long stride, long padding = 0, bool ceiling = false) =>
        new(kernel, kernel, stride, stride, padding, padding, ceiling);

    /// <summary>How many windows fit along a height and a width, as PyTorch counts them.</summary>
    public (long Height, long Width) Count(long height, long width) => (
        Count(height, KernelHeight, StrideHeight, PaddingHeight),
        Count(width, KernelWidth, StrideWidth, PaddingWidth));

    private long Count(long size, long kernel, long stride, long padding)
    {
        var span = size + (2 * padding) - kernel;
        if (span < 0 && !(Ceiling && span + stride > 0)) return 0;
        var count = ((span + (Ceiling ? stride - 1 : 0)) / stride) + 1;

        // The last window has to start inside the input or its leading padding.
        return Ceiling && (count - 1) * stride >= size + padding ? count - 1 : count;
    }
}

/// <summary>An element-wise activation.</summary>
public enum ActivationKind
{
    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>min(max(x, 0), 6).</summary>
    Relu6,

    /// <summary>1 / (1 + exp(-x)).</summary>
    Sigmoid,
}

/// <summary>How a map is brought to another size.</summary>
public enum ResizeMode
{
    /// <summary>The nearest element, PyTorch's <c>nearest</c>: index floor(i * in / out).</summary>
    Nearest,

    /// <summary>Bilinear with corners not aligned.</summary>
    Bilinear,

    /// <summary>Bilinear with aligned corners.</summary>
    BilinearAlignedCorners,
}
