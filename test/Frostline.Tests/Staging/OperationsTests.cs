using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class OperationsTests
{
    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(3, 1)]
    public void A_strided_pointwise_convolution_equals_the_plain_one_with_its_gradients(long rows, long columns)
    {
        using var scope = NewDisposeScope();
        var convolution = nn.Conv2d(6, 8, (1L, 1L), (rows, columns), groups: 2).to(float64);
        var (plain, sliced) = (torch.randn([2, 6, 7, 9], float64), torch.zeros([2, 6, 7, 9], float64));
        sliced.copy_(plain);
        plain.requires_grad_();
        sliced.requires_grad_();
        var expected = convolution.forward(plain);
        var actual = EagerOperations.Run(sliced, (operations, x) => operations.Convolution(convolution, x));
        Assert.Equal(expected.shape, actual.shape);
        Assert.True((actual - expected).abs().max().Number() < 1e-14);

        var weights = torch.randn(expected.shape, float64);
        (expected * weights).sum().backward();
        var (weight, bias) = (convolution.weight.grad!.clone(), convolution.bias!.grad!.clone());
        convolution.zero_grad();
        (actual * weights).sum().backward();
        Assert.True((sliced.grad! - plain.grad!).abs().max().Number() < 1e-14);
        Assert.True((convolution.weight.grad! - weight).abs().max().Number() < 1e-12);
        Assert.True((convolution.bias!.grad! - bias).abs().max().Number() < 1e-12);
    }

    public static TheoryData<string, long[]> ShapeCases()
    {
        var data = new TheoryData<string, long[]>();
        foreach (var name in Cases.Keys)
            foreach (var (height, width) in new[] { (7L, 9L), (12L, 8L), (13L, 14L) }) data.Add(name, [2, 4, height, width]);
        return data;
    }

    [Theory]
    [MemberData(nameof(ShapeCases))]
    public void The_cost_interpreter_has_the_shapes_that_libtorch_has(string name, long[] shape)
    {
        using var scope = NewDisposeScope();
        var body = Cases[name]();
        var cost = body(new CostOperations(), CostOperations.Of(shape));
        var actual = EagerOperations.Run(torch.randn(shape), body);
        Assert.Equal(actual.shape, cost.Shape);
    }

    [Fact]
    public void A_group_releases_all_but_what_it_hands_back_and_the_cost_knows()
    {
        using var outer = NewDisposeScope();
        var image = torch.randn(1, 2, 4, 4);
        var before = LiveTensors.CountWithoutGarbage();
        var results = Group(EagerOperations.Instance, EagerOperations.Wrap(image));
        Assert.Equal(before + 2, torch.Tensor.TotalCount);
        Assert.True(ReferenceEquals(image, EagerOperations.Unwrap(results[2])));
        Assert.True(EagerOperations.Unwrap(results[0]).Equals(image.relu().relu()));

        var cost = new CostOperations();
        var x = CostOperations.Of(1, 2, 4, 4);
        x = Group(cost, x)[0];
        _ = Group(cost, x);
        // Two of the first group's three are left when the second group has made its three.
        Assert.Equal(5 * 4 * 32, cost.PeakBytes);

        static IReadOnlyList<Value> Group(Operations operations, Value x) => operations.Group(() =>
        {
            var y = operations.Activation(ActivationKind.Relu, x);
            return [operations.Activation(ActivationKind.Relu, y), operations.Activation(ActivationKind.Sigmoid, y), x];
        });
    }

    [Fact]
    public void Composites_write_over_nothing_that_they_were_given()
    {
        using var scope = NewDisposeScope();
        var (convolution, norm) = (nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3));
        var x = torch.randn(2, 3, 4, 4);
        var before = x.clone();
        EagerOperations.Run(x, (operations, value) =>
        {
            var y = operations.ConvolutionNormRelu(convolution, norm, value);
            return operations.AddRelu(value, operations.ConvolutionRelu(convolution, y));
        });
        Assert.True(x.Equals(before));
    }

    [Fact]
    public void Forward_hooks_fire_on_layers_and_on_lists_of_them()
    {
        using var scope = NewDisposeScope();
        var convolution = nn.Conv2d(3, 3, 3, padding: 1);
        var list = nn.Sequential(("conv", convolution), ("relu", nn.ReLU()));
        var fired = new List<string>();
        convolution.register_forward_hook((_, _, output) =>
        {
            fired.Add("convolution");
            return output;
        });
        list.register_forward_hook((_, _, output) =>
        {
            fired.Add("list");
            return output;
        });
        EagerOperations.Run(torch.randn(1, 3, 4, 4), (operations, x) => operations.Call(list, x));
        Assert.Equal(["convolution", "list"], fired);
    }

    [Fact]
    public void A_norm_in_training_refuses_a_single_value_a_channel()
    {
        using var scope = NewDisposeScope();
        var norm = nn.BatchNorm2d(3);
        var error = Assert.Throws<FrostlineException>(() => EagerOperations.Run(torch.randn(1, 3, 1, 1), (operations, x) => operations.Norm(norm, x)));
        Assert.Contains("[1, 3, 1, 1]", error.Message, StringComparison.Ordinal);
        norm.eval();
        Assert.Equal([1L, 3, 1, 1], EagerOperations.Run(torch.randn(1, 3, 1, 1), (operations, x) => operations.Norm(norm, x)).shape);
    }

    [Fact]
    public void Dropout_follows_its_module_and_draws_nothing_in_evaluation()
    {
        using var scope = NewDisposeScope();
        var dropout = nn.Dropout(0.5);
        var x = torch.ones(1, 1000);
        Assert.True(EagerOperations.Run(x, (operations, value) => operations.Dropout(dropout, value)).eq(0).any().ToBoolean());
        dropout.eval();
        torch.random.manual_seed(3);
        var before = torch.rand(1).Number();
        torch.random.manual_seed(3);
        Assert.True(EagerOperations.Run(x, (operations, value) => operations.Dropout(dropout, value)).Equals(x));
        Assert.Equal(before, torch.rand(1).Number());
    }

    [Fact]
    public void The_cost_of_an_opaque_function_needs_its_shape()
    {
        var cost = new CostOperations();
        var x = CostOperations.Of(1, 3, 4, 4);
        var error = Assert.Throws<FrostlineException>(() => cost.Call("mystery", t => t, x));
        Assert.Contains("\"mystery\"", error.Message, StringComparison.Ordinal);
        Assert.Equal([1L, 7], cost.Call("told", t => t, x, _ => [[1, 7]]).Shape);
    }

    [Fact]
    public void Too_small_an_input_is_an_error_before_it_runs()
    {
        using var convolution = nn.Conv2d(3, 3, 5);
        var error = Assert.Throws<FrostlineException>(() => new CostOperations().Convolution(convolution, CostOperations.Of(1, 3, 4, 4)));
        Assert.Contains("too small", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Multiply-adds worked out by hand: outputs x weights that each sees.</summary>
    [Fact]
    public void Multiply_adds_are_counted()
    {
        using var grouped = nn.Conv2d(4, 8, 3, padding: 1, groups: 2);
        using var transposed = nn.ConvTranspose2d(4, 6, 4, 2, 1);
        using var linear = nn.Linear(10, 5);
        Assert.Equal(2 * 8 * 5 * 5 * (2 * 9), Count(operations => operations.Convolution(grouped, CostOperations.Of(2, 4, 5, 5))));
        Assert.Equal(5 * 5 * 4 * 6 * 16, Count(operations => operations.Convolution(transposed, CostOperations.Of(1, 4, 5, 5))));
        Assert.Equal(3 * 7 * 10 * 5, Count(operations => operations.Linear(linear, CostOperations.Of(3, 7, 10))));
    }

    private static Dictionary<string, Func<Func<Operations, Value, Value>>> Cases { get; } = new(StringComparer.Ordinal)
    {
        ["convolution"] = () => With(nn.Conv2d(4, 6, 3, 2, padding: 1), (m, o, x) => o.Convolution(m, x)),
        ["dilated"] = () => With(nn.Conv2d(4, 6, 3, dilation: 2, padding: 1), (m, o, x) => o.Convolution(m, x)),
        ["strided 1x1"] = () => With(nn.Conv2d(4, 6, 1, 2), (m, o, x) => o.Convolution(m, x)),
        ["same"] = () => With(nn.Conv2d(4, 6, 3, Padding.Same), (m, o, x) => o.Convolution(m, x)),
        ["transposed"] = () => With(nn.ConvTranspose2d(4, 6, 4, 2, 1, output_padding: 1), (m, o, x) => o.Convolution(m, x)),
        ["deformable"] = () => With(
            new DeformableConvolution(4, 6, 3, padding: 1),
            (m, o, x) => o.DeformableConvolution(m, x, o.Concatenate([.. Enumerable.Repeat(x, 9)]), o.Slice(o.Concatenate([x, x, x, x, x]), 1, 0, 18))),
        ["max pool"] = () => (o, x) => o.MaxPool(Window.Square(3, 2, 1), x),
        ["ceiling pool"] = () => (o, x) => o.MaxPool(Window.Square(3, 2, ceiling: true), x),
        ["padded ceiling pool"] = () => (o, x) => o.MaxPool(Window.Square(2, 3, 1, ceiling: true), x),
        ["average pool"] = () => (o, x) => o.AveragePool(new Window(3, 2, 2, 1, 1, 0), x, countPadding: false),
        ["adaptive pool"] = () => (o, x) => o.AdaptiveAveragePool(2, 3, x),
        ["global pool"] = () => (o, x) => o.AdaptiveAveragePool(1, 1, x),
        ["linear"] = () => (o, x) => With(nn.Linear(4, 5), (m, p, y) => p.Linear(m, p.Flatten(p.AdaptiveAveragePool(1, 1, y))))(o, x),
        ["add"] = () => (o, x) => o.AddRelu(x, o.Relu(x)),
        ["concatenate"] = () => (o, x) => o.Concatenate([x, o.Slice(x, 1, 1), x]),
        ["flatten"] = () => (o, x) => o.Flatten(x, 2),
        ["reshape"] = () => (o, x) => o.Reshape(x, [0, 2, -1]),
        ["slice"] = () => (o, x) => o.Slice(x, 3, 1, 7, 2),
        ["open slice"] = () => (o, x) => o.Slice(x, 2, 0, step: 3),
        ["pad"] = () => (o, x) => o.Pad(x, [1, 2, 0, 0, 3, 3]),
        ["nearest"] = () => (o, x) => o.Resize(x, 5, 11, ResizeMode.Nearest),
        ["bilinear"] = () => (o, x) => o.Resize(x, 20, 4, ResizeMode.Bilinear),
        ["bilinear aligned"] = () => (o, x) => o.Resize(x, 20, 4, ResizeMode.BilinearAlignedCorners),
        ["relu6"] = () => (o, x) => o.Activation(ActivationKind.Relu6, x),
        ["sigmoid"] = () => (o, x) => o.Activation(ActivationKind.Sigmoid, x),
        ["dropout"] = () => With(nn.Dropout2d(), (m, o, x) => o.Dropout(m, x)),
        ["list"] = () => With(
            nn.Sequential(nn.Conv2d(4, 6, 1, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2, 1), nn.Identity(), nn.Flatten()),
            (m, o, x) => o.Call(m, x)),
    };

    private static Func<Operations, Value, Value> With<T>(T module, Func<T, Operations, Value, Value> body) => (operations, x) => body(module, operations, x);

    private static long Count(Action<CostOperations> body)
    {
        var operations = new CostOperations();
        body(operations);
        return operations.MultiplyAdds;
    }
}
