using System.Runtime.InteropServices;
using Frostline.Autograd;
using Frostline.Native;
using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging.Deformable;

[Collection(LibTorchCollection.Name)]
public sealed class DeformableGradientTests
{
    public static TheoryData<string> Names => [.. DeformableNetwork.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_the_finite_differences(string name)
    {
        using var network = DeformableNetwork.Of(name, float64);
        using var scope = NewDisposeScope();
        var convolution = network.Convolution;
        var read = network.Draw(2, float64);
        foreach (var input in read.Values) input.requires_grad_();
        var weights = randn_like(Run(convolution, read));
        Run(convolution, read).backward([weights]);

        double Loss()
        {
            using var inner = no_grad();
            return (Run(convolution, read) * weights).sum().Number();
        }

        var leaves = read.Values.Concat(convolution.parameters()).ToList();
        Assert.Equal(read.Count + (convolution.Bias is null ? 1 : 2), leaves.Count);
        foreach (var leaf in leaves)
        {
            // Along a random direction, so small a way that hardly any point crosses an element.
            var direction = randn_like(leaf).detach();
            var step = tensor(1e-7, float64);
            Move(leaf, direction * step);
            var above = Loss();
            Move(leaf, direction * step * tensor(-2.0, float64));
            var below = Loss();
            Move(leaf, direction * step);
            var expected = (leaf.grad! * direction).sum().Number();
            Assert.InRange(Math.Abs(((above - below) / 2e-7) - expected), 0, 1e-6 * (1 + Math.Abs(expected)));
        }
    }

    [Fact]
    public void Without_offsets_it_is_a_convolution()
    {
        using var scope = NewDisposeScope();
        using var convolution = new DeformableConvolution(6, 4, 3, stride: 2, padding: 1, groups: 2).to(float64);
        using var plain = nn.Conv2d(6, 4, 3, 2, padding: 1, groups: 2).to(float64);
        using (no_grad())
        {
            plain.weight.copy_(convolution.Weight);
            plain.bias!.copy_(convolution.Bias!);
        }

        var (x, y) = (randn([3, 6, 8, 9], float64), zeros([3, 36, 4, 5], float64));
        var copy = x.clone().requires_grad_();
        x.requires_grad_();
        var (actual, expected) = (convolution.call(x, y, null), plain.call(copy));
        Assert.Equal(0, (actual - expected).abs().max().Number(), 13);
        var weights = randn_like(expected).detach();
        actual.backward([weights]);
        expected.backward([weights]);
        Assert.Equal(0, (x.grad! - copy.grad!).abs().max().Number(), 13);
        Assert.Equal(0, (convolution.Weight.grad! - plain.weight.grad!).abs().max().Number(), 12);
        Assert.Equal(0, (convolution.Bias!.grad! - plain.bias!.grad!).abs().max().Number(), 12);
    }

    [Theory]
    [InlineData(0f, 3f)]
    [InlineData(-1f, 2f)]
    [InlineData(-2f, 1f)]
    [InlineData(-3f, 0f)]
    [InlineData(1f, -6f)]
    [InlineData(2f, 0f)]
    public void At_a_whole_coordinate_the_derivative_is_the_one_to_its_right(float offset, float derivative)
    {
        using var scope = NewDisposeScope();
        using var convolution = Identity();
        // A map of one row, 1 3 6: one point, in the middle, is moved to the elements and out of the map.
        var map = tensor(new float[] { 1, 3, 6 }, [1, 1, 1, 3]);
        var offsets = zeros(1, 2, 1, 3);
        offsets[0, 1, 0, 1] = tensor(offset);
        offsets.requires_grad_();
        convolution.call(map, offsets, null)[0, 0, 0, 1].backward();
        Assert.Equal(derivative, offsets.grad![0, 1, 0, 1].item<float>());
        // A map of one row fades downwards.
        Assert.Equal(-(offset is 0 or -1 or 1 ? map[0, 0, 0, 1 + (long)offset].item<float>() : 0), offsets.grad![0, 0, 0, 1].item<float>());
    }

    [Theory]
    [InlineData("map")]
    [InlineData("offset")]
    [InlineData("mask")]
    [InlineData("weight")]
    [InlineData("bias")]
    public void What_is_frozen_gets_no_gradient_and_the_others_the_same(string only)
    {
        using var network = DeformableNetwork.Of("grouped", float64);
        using var scope = NewDisposeScope();
        var all = Gradients(network, null);
        var some = Gradients(network, only);
        Assert.Equal(5, all.Count);
        Assert.Equal([only], some.Keys);
        Assert.True(some[only].Equals(all[only]));
    }

    [Fact]
    public void Gradients_are_added_where_one_is_read_twice_and_survive_a_second_pass()
    {
        using var network = DeformableNetwork.Of("square", float64);
        using var scope = NewDisposeScope();
        var read = network.Draw(2, float64);
        var once = Leaves(read);
        Run(network.Convolution, once).sum().backward();
        var twice = Leaves(read);
        var output = Run(network.Convolution, twice);
        using Scalar one = 1;
        var sum = output.add(Run(network.Convolution, twice), one).sum();
        sum.backward(retain_graph: true);
        sum.backward();
        foreach (var (name, leaf) in once)
            Assert.Equal(0, (twice[name].grad! - (leaf.grad! * tensor(4.0, float64))).abs().max().Number(), 11);
    }

    [Fact]
    public void A_failure_in_the_backward_pass_is_an_exception_and_not_the_end()
    {
        using var network = DeformableNetwork.Of("square", float64);
        using var scope = NewDisposeScope();
        var read = Leaves(network.Draw(1, float64));
        var scaled = read["offset"] * ones([], float64);
        var output = network.Convolution.call(read["map"], scaled, read["mask"]);
        scaled.zero_();
        Assert.Throws<ExternalException>(() => output.sum().backward());
        // There is no second derivative.
        var again = Run(network.Convolution, read).sum();
        Assert.Throws<ExternalException>(() => again.backward(create_graph: true));
        // And the next pass works.
        Run(network.Convolution, read).sum().backward();
        Assert.NotNull(read["map"].grad);
    }

    [Fact]
    public void Nothing_is_left_behind_and_collections_between_the_passes_do_no_harm()
    {
        using var network = DeformableNetwork.Of("square", float32);
        var before = LiveTensors.CountWithoutGarbage();
        for (var i = 0; i < 3; i++) Step();
        Assert.Equal(before, LiveTensors.CountWithoutGarbage());

        void Step()
        {
            using var scope = NewDisposeScope();
            var read = Leaves(network.Draw(2, float32));
            var output = Run(network.Convolution, read);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            output.sum().backward();
            network.zero_grad();
            GC.Collect();
            Assert.True(read["offset"].grad!.isfinite().all().item<bool>());
        }
    }

    [Fact]
    public void The_graph_leads_through_it_to_its_parameters()
    {
        using var network = DeformableNetwork.Of("square", float64);
        using var scope = NewDisposeScope();
        var loss = Run(network.Convolution, network.Draw(1, float64)).sum();
        Assert.Equal(["bias", "weight"], GradientGraph.Of(loss, network.Convolution).Parameters.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit_of_what_is_sampled()
    {
        using var network = DeformableNetwork.Of("grouped", float64);
        using var scope = NewDisposeScope();
        var read = network.Draw(3, float64);
        var sizes = network.Convolution.Geometry.Sizes(read["map"].shape, read["offset"].shape, read["mask"].shape);
        var gradient = randn([3, sizes.Rows, sizes.Positions], float64);
        var (one, four) = (Sampled(1), Sampled(4));
        Assert.All(one.Zip(four), pair => Assert.True(pair.First.Equals(pair.Second)));

        Tensor[] Sampled(int threads)
        {
            var sampler = new DeformableSampler<double>(sizes, new ParallelOptions { MaxDegreeOfParallelism = threads });
            var columns = gradient.clone();
            Tensor[] gradients = [empty_like(read["map"]), empty_like(read["offset"]), empty_like(read["mask"])];
            sampler.Differentiate(Source([read["map"], read["offset"], read["mask"]]), 0, 3, TensorMemory.Address(columns), Source(gradients));
            return [columns, .. gradients];
        }

        static DeformableSampler<double>.Source Source(Tensor[] of) => new(TensorMemory.Address(of[0]), TensorMemory.Address(of[1]), TensorMemory.Address(of[2]));
    }

    private static DeformableConvolution Identity()
    {
        var convolution = new DeformableConvolution(1, 1, 1, bias: false);
        using (no_grad()) nn.init.ones_(convolution.Weight);
        return convolution;
    }

    private static void Move(Tensor leaf, Tensor by)
    {
        using var inner = no_grad();
        using Scalar one = 1;
        leaf.add_(by, one);
    }

    private static Dictionary<string, Tensor> Leaves(Dictionary<string, Tensor> read) =>
        read.ToDictionary(input => input.Key, input => input.Value.clone().requires_grad_(), StringComparer.Ordinal);

    private static Tensor Run(DeformableConvolution convolution, Dictionary<string, Tensor> read) =>
        convolution.call(read["map"], read["offset"], read.GetValueOrDefault("mask"));

    private static Dictionary<string, Tensor> Gradients(DeformableNetwork network, string? only)
    {
        var leaves = network.Draw(3, float64);
        foreach (var (name, parameter) in network.Convolution.named_parameters()) leaves[name] = parameter;
        foreach (var (name, leaf) in leaves)
        {
            leaf.grad = null;
            leaf.requires_grad_(only is null || name == only);
        }

        Run(network.Convolution, leaves).sum().backward();
        return leaves.Where(leaf => leaf.Value.grad is not null).ToDictionary(leaf => leaf.Key, leaf => leaf.Value.grad!.clone(), StringComparer.Ordinal);
    }
}
