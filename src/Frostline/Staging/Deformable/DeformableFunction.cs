using Frostline.Autograd;
using Frostline.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// A deformable convolution as a function of libtorch's autograd. The map is sampled (<see cref="DeformableSampler{T}"/>) into the matrix that
/// a convolution multiplies its weights with, for a few samples of the batch at a time. Nothing of that is kept for the backward pass,
/// which samples once more: kept are the input, offsets, mask and weights alone.
/// </summary>
internal sealed class DeformableFunction : autograd.SingleTensorFunction<DeformableFunction>
{
    private const string SizesKey = "sizes";
    private const string WantedKey = "wanted";

    // libtorch copies what a backward pass returns after the return. Until then it has to be held, and not much longer: it goes with the
    // thread's next call, or with the caller's dispose scope.
    [ThreadStatic]
    private static List<Tensor?>? s_returned;

    /// <inheritdoc/>
    public override string Name => nameof(DeformableFunction);

    /// <summary>Computes, with gradients where they are wanted.</summary>
    /// <param name="geometry">The convolution's numbers.</param>
    /// <param name="input"><c>[N, C, H, W]</c>.</param>
    /// <param name="offset"><c>[N, 2 * G * K, Ho, Wo]</c>: of each tap dy, then dx.</param>
    /// <param name="mask"><c>[N, G * K, Ho, Wo]</c>, or null for ones.</param>
    /// <param name="weight"><c>[O, C / groups, Kh, Kw]</c>.</param>
    /// <param name="bias"><c>[O]</c>, or null.</param>
    /// <returns><c>[N, O, Ho, Wo]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">A shape, type or device does not fit.</exception>
    internal static Tensor Run(DeformableGeometry geometry, Tensor input, Tensor offset, Tensor? mask, Tensor weight, Tensor? bias)
    {
        var sizes = geometry.Sizes(input.shape, offset.shape, mask?.shape);
        Check(input, offset, mask, weight, bias);
        Release();
        using var scope = NewDisposeScope();
        (input, offset, mask, weight) = (input.contiguous(), offset.contiguous(), mask?.contiguous(), weight.contiguous());
        var tensors = new[] { input, offset, mask, weight, bias };
        if (is_grad_enabled() && tensors.Any(tensor => tensor is { requires_grad: true }))
            return scope.MoveToOuter(apply(input, offset, mask!, weight, bias!, sizes));
        return scope.MoveToOuter(Compute(sizes, input, offset, mask, weight, bias));
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (input, offset, mask, weight) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor?)vars[2], (Tensor)vars[3]);
        ctx.set_materialize_grads(false);
        ctx.save_for_backward([input, offset, mask!, weight]);
        ctx.save_data(SizesKey, vars[5]);
        ctx.save_data(WantedKey, vars.Take(5).Select(tensor => tensor is Tensor { requires_grad: true }).ToArray());
        return Compute((DeformableSizes)vars[5], input, offset, mask, weight, (Tensor?)vars[4]);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        Release();
        var wanted = (bool[])ctx.get_data(WantedKey);
        List<Tensor?> gradients;
        try
        {
            gradients = grad_output.IsInvalid ? [null, null, null, null, null] : Backward(ctx, grad_output, wanted);
        }
        catch (Exception error)
        {
            // No exception may pass through libtorch's frames: the process would end. A gradient of a wrong shape makes libtorch throw.
            Console.Error.WriteLine($"the backward pass of a deformable convolution failed: {LibtorchErrors.FirstLine(error)}");
            gradients = [.. wanted.Select(isWanted => isWanted ? empty(0) : null)];
        }

        s_returned = gradients;
        // None for the sizes.
        return [.. gradients.Select(tensor => tensor!), null!];
    }

    private static List<Tensor?> Backward(autograd.AutogradContext ctx, Tensor output, bool[] wanted)
    {
        if (is_grad_enabled()) throw new FrostlineException("it has no second derivative; do without create_graph");
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        var (sizes, gradient) = ((DeformableSizes)ctx.get_data(SizesKey), output.contiguous());
        var gradients = Gradients(sizes, saved[0], saved[1], saved[2], saved[3], gradient, wanted);
        gradients.Add(wanted[4] ? gradient.sum([0, 2, 3]) : null);
        foreach (var tensor in gradients.OfType<Tensor>()) scope.MoveToOuter(tensor);
        output.Dispose();
        return gradients;
    }

    private static void Release()
    {
        foreach (var tensor in s_returned ?? []) tensor?.Dispose();
        s_returned = null;
    }

    private static void Check(Tensor input, Tensor offset, Tensor? mask, Tensor weight, Tensor? bias)
    {
        if (input.dtype is not (ScalarType.Float32 or ScalarType.Float64))
            throw new FrostlineException($"a deformable convolution computes in Float32 or Float64 but its input is {input.dtype}; convert it");
        foreach (var (name, tensor) in new[] { ("input", input), ("offset", offset), ("mask", mask), ("weight", weight), ("bias", bias) })
        {
            if (tensor is null) continue;
            if (tensor.device_type != DeviceType.CPU)
                throw new FrostlineException($"a deformable convolution computes on the processor but its {name} is on {tensor.device}; move it there");
            if (tensor.dtype != input.dtype)
                throw new FrostlineException($"a deformable convolution needs tensors of one type but its input is {input.dtype} and its {name} {tensor.dtype}; convert one");
        }
    }

    private static Tensor Compute(DeformableSizes sizes, Tensor input, Tensor offset, Tensor? mask, Tensor weight, Tensor? bias)
    {
        using var noGrad = no_grad();
        var output = empty(sizes.Shape, input.dtype);
        var kernel = Kernel(sizes, weight);
        EachPiece(sizes, (first, count) =>
        {
            var columns = empty([count, sizes.Rows, sizes.Positions], input.dtype);
            Sample(sizes, input, offset, mask, first, count, columns);
            var piece = output.narrow(0, first, count);
            piece.copy_(Product(kernel, Grouped(sizes, columns)).reshape(piece.shape));
        });
        if (bias is null) return output;
        using Scalar one = 1;
        return output.add_(bias.reshape(1, -1, 1, 1), one);
    }

    private static List<Tensor?> Gradients(
        DeformableSizes sizes, Tensor input, Tensor offset, Tensor? mask, Tensor weight, Tensor output, bool[] wanted)
    {
        using var noGrad = no_grad();
        var samples = wanted[0] || wanted[1] || wanted[2];
        var (map, offsets) = (wanted[0] ? empty_like(input) : null, wanted[1] ? empty_like(offset) : null);
        var masks = wanted[2] ? empty_like(mask!) : null;
        var (kernel, weights) = (Kernel(sizes, weight).transpose(-2, -1), wanted[3] ? zeros_like(weight) : null);
        EachPiece(sizes, (first, count) =>
        {
            var gradient = Grouped(sizes, output.narrow(0, first, count));
            var columns = samples ? Product(kernel, gradient) : empty([count, sizes.Rows, sizes.Positions], input.dtype);
            if (samples) Differentiate(sizes, (input, offset, mask), first, count, columns, (map, offsets, masks));
            else Sample(sizes, input, offset, mask, first, count, columns);
            if (weights is null) return;
            using Scalar one = 1;
            var products = Product(gradient, Grouped(sizes, columns).transpose(-2, -1));
            weights.add_(products.sum([0L]).reshape(weights.shape), one);
        });
        return [map, offsets, masks, weights];
    }

    /// <summary>Goes through the batch; what a piece made is freed before the next.</summary>
    private static void EachPiece(DeformableSizes sizes, Action<int, int> action)
    {
        var size = checked((int)sizes.SamplesAtOnce(get_num_threads()));
        for (var first = 0; first < sizes.Samples; first += size)
        {
            using var scope = NewDisposeScope();
            action(first, (int)Math.Min(size, sizes.Samples - first));
        }
    }

    /// <summary>The weights of each group as a matrix: <c>[groups, O / groups, C / groups * K]</c>.</summary>
    private static Tensor Kernel(DeformableSizes sizes, Tensor weight) =>
        weight.reshape(sizes.Geometry.Groups, sizes.Geometry.Outputs / sizes.Geometry.Groups, -1);

    /// <summary>Channels, or rows of channels and taps, of each group apart: <c>[count, groups, …, Ho * Wo]</c>.</summary>
    private static Tensor Grouped(DeformableSizes sizes, Tensor rows) => rows.reshape(rows.shape[0], sizes.Geometry.Groups, -1, sizes.Positions);

    private static Tensor Product(Tensor a, Tensor b) => matmul(a, b);

    private static void Sample(DeformableSizes sizes, Tensor input, Tensor offset, Tensor? mask, int first, int count, Tensor columns)
    {
        if (input.dtype == ScalarType.Float32) Sampler<float>(sizes).Sample(new(At(input), At(offset), At(mask)), first, count, At(columns));
        else Sampler<double>(sizes).Sample(new(At(input), At(offset), At(mask)), first, count, At(columns));
    }

    private static void Differentiate(
        DeformableSizes sizes, (Tensor Map, Tensor Offset, Tensor? Mask) source, int first, int count, Tensor columns,
        (Tensor? Map, Tensor? Offset, Tensor? Mask) gradients)
    {
        var (map, offset, mask) = (At(source.Map), At(source.Offset), At(source.Mask));
        var (toMap, toOffset, toMask) = (At(gradients.Map), At(gradients.Offset), At(gradients.Mask));
        if (columns.dtype == ScalarType.Float32)
            Sampler<float>(sizes).Differentiate(new(map, offset, mask), first, count, At(columns), new(toMap, toOffset, toMask));
        else
            Sampler<double>(sizes).Differentiate(new(map, offset, mask), first, count, At(columns), new(toMap, toOffset, toMask));
    }

    private static DeformableSampler<T> Sampler<T>(DeformableSizes sizes)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T> =>
        new(sizes, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() });

    private static nint At(Tensor? tensor) => tensor is null ? 0 : TensorMemory.Address(tensor);
}
