using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Each step of a recorded graph as operations of ONNX.</summary>
internal static class OnnxSteps
{
    /// <summary>Writes a step.</summary>
    /// <exception cref="NotCompilableException">It has no counterpart.</exception>
    internal static void Write(OnnxGraphWriter writer, GraphNode node)
    {
        var inputs = node.Inputs.Select(OnnxGraphWriter.NameOf).ToList();
        var (x, output, shape) = (inputs[0], OnnxGraphWriter.NameOf(node), node.Inputs[0].Shape);
        switch (node.Step)
        {
            case ConvolutionStep step: Convolution(writer, step, x, output); break;
            case DeformableConvolutionStep step: OnnxDeformable.Write(writer, step, node, inputs, output); break;
            case LinearStep step: Linear(writer, step, shape.Count, x, output); break;
            case BatchNormStep step: BatchNorm(writer, step, x, output); break;
            case SampleNormStep { Groups: > 0 } step: GroupNorm(writer, step, shape, x, output); break;
            case SampleNormStep step: LayerNorm(writer, step, x, output); break;
            case ActivationStep step: Activation(writer, step.Kind, x, output); break;
            case MaxPoolStep step: writer.Node("MaxPool", [x], output, [.. Pool(step.Window)]); break;
            case AveragePoolStep step:
                writer.Node("AveragePool", [x], output, [.. Pool(step.Window), new("count_include_pad", step.CountPadding ? 1L : 0L)]);
                break;
            case AdaptiveAveragePoolStep step: AdaptivePool(writer, step, shape, x, output); break;
            case AddStep: writer.Node("Add", inputs, output); break;
            case ScaleStep step: writer.Node("Mul", [x, writer.Numbers([step.Factor])], output); break;
            case TranslateStep: Translate(writer, shape, inputs, output); break;
            case ConcatenateStep step: writer.Node("Concat", inputs, output, new OnnxAttribute("axis", (long)step.Dimension)); break;
            case FlattenStep step: writer.Node("Reshape", [x, writer.Integers([.. Enumerable.Repeat(0L, step.From), -1])], output); break;
            case ReshapeStep step: writer.Node("Reshape", [x, writer.Integers(step.Shape)], output); break;
            case SliceStep step:
                writer.Node("Slice", [x, writer.Integers(step.Start), writer.Integers(step.End), writer.Integers(step.Dimension), writer.Integers(step.Step)], output);
                break;
            case PadStep step: writer.Node("Pad", [x, writer.Integers(Pads(step.Padding, shape.Count))], output); break;
            case ResizeStep step: Resize(writer, step, x, output); break;
            default: throw new NotCompilableException($"a {node.Step.Describe()} has no counterpart in ONNX");
        }
    }

    private static void Convolution(OnnxGraphWriter writer, ConvolutionStep step, string x, string output)
    {
        var kernel = step.Weight.shape[2..];
        var pads = step.Padding is { } padding
            ? [.. padding, .. padding]
            : kernel.Select((size, i) => step.Dilation[i] * (size - 1) / 2).Concat(kernel.Select((size, i) => (step.Dilation[i] * (size - 1)) - (step.Dilation[i] * (size - 1) / 2))).ToArray();
        List<OnnxAttribute> attributes =
            [new("kernel_shape", kernel), new("strides", step.Stride), new("pads", pads), new("dilations", step.Dilation), new("group", step.Groups)];
        if (step.IsTransposed) attributes.Add(new("output_padding", step.OutputPadding));
        writer.Node(step.IsTransposed ? "ConvTranspose" : "Conv", [x, .. step.Weights.Select(writer.Weight)], output, attributes);
    }

    private static void Linear(OnnxGraphWriter writer, LinearStep step, int dimensions, string x, string output)
    {
        if (dimensions == 2)
        {
            writer.Node("Gemm", [x, .. step.Weights.Select(writer.Weight)], output, new OnnxAttribute("transB", 1L));
            return;
        }

        using var transposed = step.Weight.t().contiguous();
        var product = step.Bias is null ? output : output + ".product";
        writer.Node("MatMul", [x, writer.Weight(transposed)], product);
        if (step.Bias is { } bias) writer.Node("Add", [product, writer.Weight(bias)], output);
    }

    private static void BatchNorm(OnnxGraphWriter writer, BatchNormStep step, string x, string output)
    {
        using var ones = ones_like(step.Mean);
        using var zeros = zeros_like(step.Mean);
        writer.Node(
            "BatchNormalization",
            [x, writer.Weight(step.Weight ?? ones), writer.Weight(step.Bias ?? zeros), writer.Weight(step.Mean), writer.Weight(step.Variance)],
            output, new OnnxAttribute("epsilon", (float)step.Epsilon));
    }

    /// <summary>Each group as one channel of an InstanceNormalization; weight and bias of the channels after that.</summary>
    private static void GroupNorm(OnnxGraphWriter writer, SampleNormStep step, IReadOnlyList<long> shape, string x, string output)
    {
        double[] ones = [.. Enumerable.Repeat(1d, (int)step.Groups)], zeros = new double[step.Groups];
        writer.Node("Reshape", [x, writer.Integers(0, step.Groups, -1)], output + ".groups");
        writer.Node(
            "InstanceNormalization", [output + ".groups", writer.Numbers(ones, step.Groups), writer.Numbers(zeros, step.Groups)], output + ".normal",
            new OnnxAttribute("epsilon", (float)step.Epsilon));
        var normal = step.Weight is null && step.Bias is null ? output : output + ".channels";
        writer.Node("Reshape", [output + ".normal", writer.Integers([0, .. shape.Skip(1)])], normal);
        long[] channels = [shape[1], .. Enumerable.Repeat(1L, shape.Count - 2)];
        if (step.Weight is { } weight)
        {
            using var scale = weight.reshape(channels);
            var scaled = step.Bias is null ? output : output + ".scaled";
            writer.Node("Mul", [normal, writer.Weight(scale)], scaled);
            normal = scaled;
        }

        if (step.Bias is not { } bias) return;
        using var shift = bias.reshape(channels);
        writer.Node("Add", [normal, writer.Weight(shift)], output);
    }

    private static void LayerNorm(OnnxGraphWriter writer, SampleNormStep step, string x, string output)
    {
        using var ones = TorchSharp.torch.ones(step.Shape, dtype: step.Weight?.dtype ?? ScalarType.Float32);
        List<string> inputs = [x, writer.Weight(step.Weight ?? ones)];
        if (step.Bias is { } bias) inputs.Add(writer.Weight(bias));
        writer.Node("LayerNormalization", inputs, output, new("axis", (long)-step.Shape.Length), new("epsilon", (float)step.Epsilon));
    }

    private static void Activation(OnnxGraphWriter writer, ActivationKind kind, string x, string output)
    {
        switch (kind)
        {
            case ActivationKind.Relu: writer.Node("Relu", [x], output); break;
            case ActivationKind.Relu6: writer.Node("Clip", [x, writer.Numbers([0]), writer.Numbers([6])], output); break;
            case ActivationKind.Sigmoid: writer.Node("Sigmoid", [x], output); break;
            default: throw new NotCompilableException($"the activation {kind} has no counterpart in ONNX");
        }
    }

    private static OnnxAttribute[] Pool(Window window) =>
    [
        new("kernel_shape", new[] { window.KernelHeight, window.KernelWidth }),
        new("strides", new[] { window.StrideHeight, window.StrideWidth }),
        new("pads", new[] { window.PaddingHeight, window.PaddingWidth, window.PaddingHeight, window.PaddingWidth }),
        new("ceil_mode", window.Ceiling ? 1L : 0L),
    ];

    /// <summary>The global mean has an operator; any other is a product with a matrix of means for the rows and one for the columns.</summary>
    private static void AdaptivePool(OnnxGraphWriter writer, AdaptiveAveragePoolStep step, IReadOnlyList<long> shape, string x, string output)
    {
        if (step is { Height: 1, Width: 1 })
        {
            writer.Node("GlobalAveragePool", [x], output);
            return;
        }

        var (rows, columns) = (Means(shape[2], step.Height), Means(shape[3], step.Width));
        writer.Node("MatMul", [writer.Numbers(rows, step.Height, shape[2]), x], output + ".rows");
        double[] transposed = [.. Enumerable.Range(0, columns.Length).Select(i => columns[(i % step.Width * shape[3]) + (i / step.Width)])];
        writer.Node("MatMul", [output + ".rows", writer.Numbers(transposed, shape[3], step.Width)], output);
    }

    /// <summary>From floor(i * in / out) up to ceil((i + 1) * in / out), as PyTorch divides.</summary>
    private static double[] Means(long size, long regions)
    {
        var means = new double[regions * size];
        for (var i = 0L; i < regions; i++)
        {
            var (start, end) = (i * size / regions, (((i + 1) * size) + regions - 1) / regions);
            for (var j = start; j < end; j++) means[(i * size) + j] = 1.0 / (end - start);
        }

        return means;
    }

    /// <summary>ONNX names all beginnings, then all ends, of every dimension.</summary>
    private static long[] Pads(long[] padding, int dimensions)
    {
        var pads = new long[2 * dimensions];
        for (var i = 0; i < padding.Length; i++) pads[(i % 2 * dimensions) + dimensions - 1 - (i / 2)] = padding[i];
        return pads;
    }

    /// <summary>The sizes of batch and channels are taken from the value itself, so that the batch stays free.</summary>
    private static void Resize(OnnxGraphWriter writer, ResizeStep step, string x, string output)
    {
        writer.Node("Shape", [x], output + ".shape");
        writer.Node("Slice", [output + ".shape", writer.Integers(0), writer.Integers(2)], output + ".front");
        writer.Node("Concat", [output + ".front", writer.Integers(step.Height, step.Width)], output + ".sizes", new OnnxAttribute("axis", 0L));
        OnnxAttribute[] how = step.Mode switch
        {
            ResizeMode.Nearest => [new("mode", "nearest"), new("coordinate_transformation_mode", "asymmetric"), new("nearest_mode", "floor")],
            ResizeMode.Bilinear => [new("mode", "linear"), new("coordinate_transformation_mode", "half_pixel")],
            _ => [new("mode", "linear"), new("coordinate_transformation_mode", "align_corners")],
        };
        writer.Node("Resize", [x, "", "", output + ".sizes"], output, how);
    }

    /// <summary>Points are measured from -1 to 1, from edge to edge, column first: each element is taken from its middle less the translation.</summary>
    private static void Translate(OnnxGraphWriter writer, IReadOnlyList<long> shape, List<string> inputs, string output)
    {
        var (height, width) = (shape[2], shape[3]);
        var middles = Enumerable.Range(0, (int)(height * width)).SelectMany(i => new[] { Middle(i % width, width), Middle(i / width, height) });
        writer.Node("Mul", [inputs[1], writer.Numbers([-2.0 / width, -2.0 / height], 2)], output + ".back");
        writer.Node("Reshape", [output + ".back", writer.Integers(0, 1, 1, 2)], output + ".moved");
        writer.Node("Add", [output + ".moved", writer.Numbers([.. middles], 1, height, width, 2)], output + ".grid");
        writer.Node(
            "GridSample", [inputs[0], output + ".grid"], output,
            // Operator set 20 calls it linear.
            new("mode", writer.Opset < 20 ? "bilinear" : "linear"), new("padding_mode", "zeros"), new("align_corners", 0L));

        static double Middle(long index, long size) => (((2.0 * index) + 1) / size) - 1;
    }
}
