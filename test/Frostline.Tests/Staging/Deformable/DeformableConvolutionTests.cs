using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging.Deformable;

[Collection(LibTorchCollection.Name)]
public sealed class DeformableConvolutionTests
{
    public static TheoryData<string> Names => [.. DeformableNetwork.Names];

    [Theory]
    [InlineData("deform1", ScalarType.Float64, 1e-12)]
    [InlineData("deform2", ScalarType.Float64, 1e-12)]
    [InlineData("deform1", ScalarType.Float32, 1e-5)]
    [InlineData("deform2", ScalarType.Float32, 1e-5)]
    public void Outputs_and_gradients_are_those_of_torchvision(string file, ScalarType type, double tolerance)
    {
        using var golden = Golden.Open($"golden/{file}.safetensors");
        using var scope = NewDisposeScope();
        var (padding, groups) = file == "deform1" ? (3, 1) : (1, 2);
        using var convolution = new DeformableConvolution(12, 8, 3, padding: padding, dilation: padding, groups: groups);
        convolution.to(type);
        using (no_grad())
        {
            convolution.Weight.copy_(golden["weight"]);
            convolution.Bias!.copy_(golden["bias"]);
        }

        var suffix = type == ScalarType.Float64 ? "_f64" : "";
        foreach (var prefix in new[] { "grad", "grad2" })
        {
            convolution.zero_grad();
            var (input, offset, mask) = (Leaf("input"), Leaf("offset"), Leaf("mask"));
            var output = convolution.call(input, offset, mask);
            AssertClose(golden, "output" + suffix, output.detach(), tolerance);
            output.backward([prefix == "grad" ? ones_like(output) : golden["grad_output2"].to(type)]);
            AssertClose(golden, $"{prefix}_input{suffix}", input.grad!, tolerance);
            AssertClose(golden, $"{prefix}_offset{suffix}", offset.grad!, tolerance);
            AssertClose(golden, $"{prefix}_mask{suffix}", mask.grad!, tolerance);
            AssertClose(golden, $"{prefix}_weight{suffix}", convolution.Weight.grad!, tolerance);
            AssertClose(golden, $"{prefix}_bias{suffix}", convolution.Bias!.grad!, tolerance);
        }

        Tensor Leaf(string name) => golden[name].to(type).requires_grad_();
    }

    /// <summary>Each tap computed for itself, point by point, from the four neighbours that lie in the map.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Outputs_are_those_of_the_definition(string name)
    {
        using var network = DeformableNetwork.Of(name, float64);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var read = network.Draw(2, float64);
        var output = network.Convolution.call(read["map"], read["offset"], read.GetValueOrDefault("mask"));
        var expected = Definition(network.Convolution, read);
        Assert.Equal(expected.shape, output.shape);
        Assert.Equal(0, (output - expected).abs().max().Number(), 12);
        // Without gradients and with them.
        using var recorded = enable_grad();
        Assert.True(network.Convolution.call(read["map"], read["offset"], read.GetValueOrDefault("mask")).detach().Equals(output));
    }

    [Fact]
    public void A_batch_is_its_samples()
    {
        using var network = DeformableNetwork.Of("one group", float64);
        using var scope = NewDisposeScope();
        var read = network.Draw(5, float64);
        var whole = network.Convolution.call(read["map"], read["offset"], null);
        for (var i = 0; i < 5; i++)
        {
            var sample = network.Convolution.call(read["map"].narrow(0, i, 1), read["offset"].narrow(0, i, 1), null);
            Assert.Equal(0, (sample - whole.narrow(0, i, 1)).abs().max().Number(), 13);
        }

        Assert.Equal([0L, 4, 10, 5], network.Convolution.call(read["map"].narrow(0, 0, 0), read["offset"].narrow(0, 0, 0), null).shape);
        // What does not lie row by row.
        var turned = read["map"].transpose(2, 3).contiguous().transpose(2, 3);
        Assert.False(turned.is_contiguous());
        Assert.True(network.Convolution.call(turned, read["offset"], null).Equals(whole));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 5)]
    [InlineData(4, 1)]
    public void Maps_of_one_row_or_column_are_sampled_too(long height, long width)
    {
        using var scope = NewDisposeScope();
        using var convolution = new DeformableConvolution(2, 3, 3, padding: 1).to(float64);
        var read = new Dictionary<string, Tensor> { ["map"] = randn([1, 2, height, width], float64), ["offset"] = randn([1, 36, height, width], float64) };
        var output = convolution.call(read["map"], read["offset"], null);
        Assert.Equal(0, (output - Definition(convolution, read)).abs().max().Number(), 13);
    }

    [Fact]
    public void Points_at_infinity_are_zeros_and_what_is_no_number_stays_none()
    {
        using var scope = NewDisposeScope();
        using var convolution = new DeformableConvolution(1, 1, 1, bias: false);
        using (no_grad()) nn.init.ones_(convolution.Weight);
        var offset = zeros(1, 2, 2, 3);
        offset[0, 0, 0] = tensor(new[] { 1e30f, float.PositiveInfinity, float.NegativeInfinity });
        offset[0, 1, 1] = tensor(new[] { float.NaN, -1e30f, 0.5f });
        var output = convolution.call(ones(1, 1, 2, 3), offset, null);
        Assert.Equal([0, 0, 0, float.NaN, 0, 0.5f], output.data<float>().ToArray());
    }

    [Fact]
    public void What_does_not_fit_is_said_in_one_line()
    {
        using var scope = NewDisposeScope();
        using var convolution = new DeformableConvolution(12, 8, 3, padding: 1);
        var (map, offset, mask) = (randn(2, 12, 9, 7), randn(2, 54, 9, 7), randn(2, 27, 9, 7));
        Says("reads a map [N, 12, H, W] but gets [2, 11, 9, 7]", randn(2, 11, 9, 7), offset, mask);
        Says("reads a map [N, 12, H, W] but gets [12, 9, 7]", randn(12, 9, 7), offset, mask);
        Says("nothing left to put out for the map [2, 12, 0, 7]", randn(2, 12, 0, 7), offset, mask);
        Says("kernel of 3 x 3 over the map [2, 12, 9, 7] needs offsets [2, 2 * 9 * groups, 9, 7], where groups divides 12, but gets [2, 54, 9, 6]", map, randn(2, 54, 9, 6), mask);
        Says("but gets [2, 90, 9, 7]", map, randn(2, 90, 9, 7), null);
        Says("but gets [2, 17, 9, 7]", map, randn(2, 17, 9, 7), null);
        Says("needs a mask [2, 27, 9, 7] but gets [2, 9, 9, 7]", map, offset, randn(2, 9, 9, 7));
        Says("its input is Float16; convert it", map.to(ScalarType.Float16), offset, mask);
        Says("its input is Float32 and its mask Float64; convert one", map, offset, mask.to(ScalarType.Float64));
        Assert.Throws<FrostlineException>(() => new CostOperations().DeformableConvolution(
            convolution, CostOperations.Of(2, 12, 9, 7), CostOperations.Of(2, 54, 8, 7)));
        Assert.Throws<ArgumentException>(() => new DeformableConvolution(12, 8, 3, groups: 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DeformableConvolution(12, 8, 0));

        void Says(string text, Tensor x, Tensor moved, Tensor? masked)
        {
            var error = Assert.Throws<FrostlineException>(() => convolution.call(x, moved, masked));
            Assert.Contains(text, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Fact]
    public void It_is_a_module_with_the_names_of_PyTorch()
    {
        using var convolution = new DeformableConvolution(12, 8, (3, 5), groups: 2);
        Assert.Equal(["weight", "bias"], convolution.state_dict().Keys);
        Assert.Equal([8L, 6, 3, 5], convolution.Weight.shape);
        // As PyTorch draws: uniform within 1 / sqrt(fan-in).
        var bound = 1 / Math.Sqrt(6 * 15);
        foreach (var parameter in convolution.parameters())
        {
            Assert.InRange(parameter.abs().max().Number(), 0.5 * bound, bound);
            Assert.True(parameter.requires_grad);
        }

        convolution.to(ScalarType.Float64);
        Assert.Equal(ScalarType.Float64, convolution.Weight.dtype);
        Assert.Same(convolution.Weight, convolution.get_parameter("weight"));
        using var bare = new DeformableConvolution(4, 4, 1, bias: false);
        Assert.Null(bare.Bias);
        Assert.Equal((12L, 8L, 2L), (convolution.Inputs, convolution.Outputs, convolution.Groups));
        Assert.Equal((7L, 3L), convolution.OutputSize(9, 7));
        Assert.Equal((0L, 3L), convolution.OutputSize(1, 7));
    }

    [Fact]
    public void It_starts_as_the_identity_from_the_identity_kernel()
    {
        using var convolution = new DeformableConvolution(6, 6, 3, padding: 1, groups: 2);
        new InitializationPlan().Draw("weight", new IdentityKernel(groups: 2)).Draw("bias", Constant.Zeros).Apply(convolution, seed: 1);
        using var scope = NewDisposeScope();
        var map = randn(2, 6, 5, 4);
        Assert.True(convolution.call(map, zeros(2, 54, 5, 4), null).Equals(map));
        using var deferred = DeferredInitialization.Construct(() => new DeformableConvolution(6, 6, 3));
        new InitializationPlan().Draw("weight", new IdentityKernel()).Draw("bias", Constant.Zeros).Apply(deferred, seed: 1);
        Assert.Equal(1, deferred.Weight[0, 0, 1, 1].Number());
    }

    /// <summary>The largest new tensor is the unfolded map of one sample, and it is not kept.</summary>
    [Fact]
    public void Cost_counts_multiply_adds_and_one_unfolded_map()
    {
        using var convolution = new DeformableConvolution(48, 32, 3, padding: 3, dilation: 3, groups: 2);
        var cost = new CostOperations();
        // As many groups of offsets as channels: one sample at a time on up to 48 cores.
        var read = new long[] { 48, 2 * 9 * 48, 9 * 48 }.Select(channels => cost.Pad(CostOperations.Of(6, channels, 95, 72), [0, 0, 1, 0])).ToList();
        var (live, saved) = (cost.PeakBytes, cost.SavedBytes);
        var output = cost.DeformableConvolution(convolution, read[0], read[1], read[2]);
        Assert.Equal([6L, 32, 96, 72], output.Shape);
        Assert.Equal(6L * 96 * 72 * 32 * (48 / 2) * 9, cost.MultiplyAdds);
        // Kept are the three that it reads; on top come the output and one sample's unfolded map.
        Assert.Equal(live, cost.SavedBytes - saved);
        Assert.Equal(live + ((6 * 32) + (48 * 9)) * 96L * 72 * 4, cost.PeakBytes);
    }

    private static void AssertClose(Golden golden, string name, Tensor actual, double tolerance)
    {
        var expected = golden[name];
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.InRange((actual - expected).abs().max().Number() / expected.abs().max().Number(), 0, tolerance);
    }

    private static Tensor Definition(DeformableConvolution convolution, Dictionary<string, Tensor> read)
    {
        var (map, offset, mask) = (Accessor(read["map"]), Accessor(read["offset"]), read.TryGetValue("mask", out var given) ? Accessor(given) : null);
        var (weight, geometry) = (Accessor(convolution.Weight), convolution.Geometry);
        var (height, width) = convolution.OutputSize(read["map"].shape[2], read["map"].shape[3]);
        var (taps, perGroup, outputs) = (geometry.Taps, geometry.Inputs / geometry.Groups, geometry.Outputs / geometry.Groups);
        var channels = geometry.Inputs / (read["offset"].shape[1] / (2 * taps));
        var numbers = new double[read["map"].shape[0], geometry.Outputs, height, width];
        for (var n = 0L; n < numbers.GetLength(0); n++)
            for (var o = 0L; o < geometry.Outputs; o++)
                for (var y = 0L; y < height; y++)
                    for (var x = 0L; x < width; x++)
                    {
                        var sum = convolution.Bias is { } bias ? bias[o].Number() : 0;
                        for (var i = 0L; i < perGroup; i++)
                            for (var tap = 0L; tap < taps; tap++)
                            {
                                var channel = (o / outputs * perGroup) + i;
                                var row = (channel / channels * taps) + tap;
                                var py = (y * geometry.Stride.Height) - geometry.Padding.Height + (tap / geometry.Kernel.Width * geometry.Dilation.Height) + offset[n, 2 * row, y, x];
                                var px = (x * geometry.Stride.Width) - geometry.Padding.Width + (tap % geometry.Kernel.Width * geometry.Dilation.Width) + offset[n, (2 * row) + 1, y, x];
                                var value = Point(map, n, channel, py, px);
                                sum += weight[o, i, tap / geometry.Kernel.Width, tap % geometry.Kernel.Width] * value * (mask is null ? 1 : mask[n, row, y, x]);
                            }

                        numbers[n, o, y, x] = sum;
                    }

        return tensor(numbers, float64);
    }

    private static double Point(double[,,,] map, long n, long channel, double y, double x)
    {
        var (top, left, sum) = (Math.Floor(y), Math.Floor(x), 0.0);
        for (var i = top; i <= top + 1; i++)
            for (var j = left; j <= left + 1; j++)
                if (i >= 0 && i < map.GetLength(2) && j >= 0 && j < map.GetLength(3))
                    sum += map[n, channel, (long)i, (long)j] * (1 - Math.Abs(y - i)) * (1 - Math.Abs(x - j));
        return sum;
    }

    private static double[,,,] Accessor(Tensor tensor)
    {
        var array = new double[tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3]];
        Buffer.BlockCopy(tensor.detach().contiguous().data<double>().ToArray(), 0, array, 0, array.Length * sizeof(double));
        return array;
    }
}
