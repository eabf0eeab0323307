namespace Frostline.Staging;

/// <summary>
/// A deformable convolution in ONNX: the operator <c>DeformConv</c> from operator set 19 on, before it <c>GridSample</c> and a convolution of
/// kernel 1 over what it sampled.
/// </summary>
internal static class OnnxDeformable
{
    // The first operator set that has DeformConv.
    private const int FirstOpset = 19;

    /// <summary>Writes a step.</summary>
    internal static void Write(OnnxGraphWriter writer, DeformableConvolutionStep step, GraphNode node, IReadOnlyList<string> inputs, string output)
    {
        if (writer.Opset >= FirstOpset) Operator(writer, step, inputs, output);
        else Composition(writer, step, node, inputs, output);
    }

    private static void Operator(OnnxGraphWriter writer, DeformableConvolutionStep step, IReadOnlyList<string> inputs, string output)
    {
        var geometry = step.Geometry;
        List<string> read = [inputs[0], writer.Weight(step.Weight), inputs[1]];
        if (step.Bias is not null || inputs.Count > 2) read.Add(step.Bias is { } bias ? writer.Weight(bias) : "");
        if (inputs.Count > 2) read.Add(inputs[2]);
        writer.Node(
            "DeformConv", read, output,
            new("kernel_shape", Both(geometry.Kernel)), new("strides", Both(geometry.Stride)), new("pads", (long[])[.. Both(geometry.Padding), .. Both(geometry.Padding)]),
            new("dilations", Both(geometry.Dilation)), new("group", geometry.Groups), new("offset_group", step.OffsetGroups));
    }

    /// <summary>
    /// Each group of offsets is a sample of its own, <c>[N * G, C / G, H, W]</c>, with all taps behind each other. Offsets come as rows, then
    /// columns, but points as columns, then rows: so the map is turned instead. Points are measured from -1 to 1, from edge to edge.
    /// </summary>
    private static void Composition(OnnxGraphWriter writer, DeformableConvolutionStep step, GraphNode node, IReadOnlyList<string> inputs, string output)
    {
        var (geometry, map, shape) = (step.Geometry, node.Inputs[0].Shape, node.Shape);
        var (taps, channels, positions) = (geometry.Taps, geometry.Inputs / step.OffsetGroups, shape[2] * shape[3]);
        writer.Node("Reshape", [inputs[0], writer.Integers(-1, channels, map[2], map[3])], output + ".groups");
        writer.Node("Transpose", [output + ".groups"], output + ".turned", new OnnxAttribute("perm", new long[] { 0, 1, 3, 2 }));

        writer.Node("Reshape", [inputs[1], writer.Integers(-1, taps, 2, positions)], output + ".offsets");
        writer.Node("Mul", [output + ".offsets", writer.Numbers([2.0 / map[2], 2.0 / map[3]], 2, 1)], output + ".moved");
        writer.Node("Add", [output + ".moved", writer.Numbers(Points(geometry, map, shape), taps, 2, positions)], output + ".points");
        writer.Node("Transpose", [output + ".points"], output + ".grid", new OnnxAttribute("perm", new long[] { 0, 1, 3, 2 }));
        writer.Node(
            "GridSample", [output + ".turned", output + ".grid"], output + ".samples",
            new("mode", "bilinear"), new("padding_mode", "zeros"), new("align_corners", 0L));

        var samples = output + ".samples";
        if (inputs.Count > 2)
        {
            writer.Node("Reshape", [inputs[2], writer.Integers(-1, 1, taps, positions)], output + ".mask");
            writer.Node("Mul", [samples, output + ".mask"], output + ".masked");
            samples = output + ".masked";
        }

        writer.Node("Reshape", [samples, writer.Integers(-1, geometry.Inputs * taps, shape[2], shape[3])], output + ".columns");
        using var kernel = step.Weight.reshape(geometry.Outputs, -1, 1, 1);
        List<string> read = [output + ".columns", writer.Weight(kernel)];
        if (step.Bias is { } bias) read.Add(writer.Weight(bias));
        writer.Node("Conv", read, output, new("kernel_shape", new long[] { 1, 1 }), new("group", geometry.Groups));
    }

    /// <summary>Where taps lie that are not moved: <c>[K, 2, Ho * Wo]</c>.</summary>
    private static double[] Points(DeformableGeometry geometry, IReadOnlyList<long> map, IReadOnlyList<long> shape)
    {
        var points = new List<double>();
        for (var tap = 0L; tap < geometry.Taps; tap++)
        {
            var (row, column) = (tap / geometry.Kernel.Width * geometry.Dilation.Height, tap % geometry.Kernel.Width * geometry.Dilation.Width);
            for (var i = 0L; i < shape[2] * shape[3]; i++) points.Add(Place((i / shape[3] * geometry.Stride.Height) - geometry.Padding.Height + row, map[2]));
            for (var i = 0L; i < shape[2] * shape[3]; i++) points.Add(Place((i % shape[3] * geometry.Stride.Width) - geometry.Padding.Width + column, map[3]));
        }

        return [.. points];

        // The middle of an element.
        static double Place(long index, long size) => (((2.0 * index) + 1) / size) - 1;
    }

    private static long[] Both(Extent2 size) => [size.Height, size.Width];
}
