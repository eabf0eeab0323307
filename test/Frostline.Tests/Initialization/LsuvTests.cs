using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class LsuvTests
{
    [Fact]
    public void Every_output_has_unit_variance_layer_by_layer()
    {
        using var network = new Stack();
        var report = new InitializationPlan().Draw("**", new Orthogonal(3)).Draw("**.bias", Constant.Zeros).Apply(network, seed: 1);
        using var batch = Batch();
        var result = Lsuv.Run(network, "**", () => network.call(batch), new LsuvOptions { Tolerance = 0.01 });

        // The order of the forward pass, not of registration.
        Assert.Equal(["first", "second", "third"], result.Layers.Select(layer => layer.Name));
        Assert.All(result.Layers, layer => Assert.InRange(layer.After, 0.99, 1.01));
        using (no_grad())
        {
            using var one = network.First.call(batch);
            Assert.InRange(Variance(one), 0.99, 1.01);
            using var two = network.Second.call(one.relu());
            Assert.InRange(Variance(two), 0.99, 1.01);
        }

        var scaled = Assert.IsType<Origin.Scaled>(report.WithScaled(result).Find("first.weight")!.Origin);
        Assert.IsType<Origin.Drawn>(scaled.Before);
        Assert.Equal(result.Layers[0].Factor, scaled.Factor);
        // Scaling does not make a random weight fit to be frozen.
        Assert.StartsWith("drawn by orthogonal", report.WithScaled(result).DoubtOf("first.weight"), StringComparison.Ordinal);
        Assert.Equal(report.WithScaled(result).ToJson(), InitializationReport.FromJson(report.WithScaled(result).ToJson()).ToJson());
        Assert.Equal(report.Drawn.Count, report.WithScaled(result).Drawn.Count);
    }

    [Fact]
    public void A_linear_layer_is_divided_by_the_deviation_of_its_output()
    {
        using var layer = nn.Linear(4, 5, hasBias: false);
        new InitializationPlan().Draw("**", new Frostline.Initialization.Normal(0, 2)).Apply(layer, seed: 2);
        using var batch = Batch(16, 4);
        using var before = layer.weight!.clone();
        double deviation;
        using (no_grad()) deviation = Math.Sqrt(Variance(layer.call(batch)));
        var result = Assert.Single(Lsuv.Run(layer, "**", () => layer.call(batch), new LsuvOptions { Iterations = 1, Tolerance = 1e-9 }).Layers);
        Assert.Equal(1 / deviation, result.Factor, 12);
        using var held = (Scalar)(1 / deviation);
        using var expected = before.mul(held);
        Assert.Equal(TensorBytes.Read(expected), TensorBytes.Read(layer.weight!));
    }

    [Fact]
    public void Modes_are_restored_and_an_error_changes_nothing()
    {
        using var network = new Stack();
        new InitializationPlan().Draw("**", new Orthogonal()).Draw("**.bias", Constant.Zeros).Draw("second.weight", Constant.Zeros).Apply(network, seed: 1);
        using var batch = Batch();
        var before = TensorBytes.Read(network.First.weight!);
        network.train();
        network.Second.eval();
        var error = Assert.Throws<InitializationException>(() => Lsuv.Run(network, "**", () => network.call(batch)));
        Assert.Contains("the output of second has the variance 0", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, TensorBytes.Read(network.First.weight!));
        Assert.True(network.training);
        Assert.False(network.Second.training);
    }

    [Fact]
    public void Layers_that_are_not_called_and_selectors_without_layers_are_refused()
    {
        using var network = new Stack();
        using var batch = Batch();
        Assert.Contains(
            "selects third, which the forward pass does not call",
            Assert.Throws<InitializationException>(() => Lsuv.Run(network, "**", () => network.First.call(batch))).Message,
            StringComparison.Ordinal);
        using var norm = nn.BatchNorm2d(2);
        Assert.Contains(
            "selects no convolution and no linear layer",
            Assert.Throws<InitializationException>(() => Lsuv.Run(norm, "**", () => { })).Message,
            StringComparison.Ordinal);
        Assert.Equal(["third", "first", "second"], Lsuv.Preview(network, "**").Layers.Select(layer => layer.Name));
    }

    private static Tensor Batch(params long[] shape)
    {
        if (shape.Length == 0) shape = [8, 3, 10, 10];
        using var numbers = arange(shape.Aggregate(1L, (a, b) => a * b), dtype: float32);
        using var wave = numbers.sin();
        return wave.reshape(shape).DetachFromDisposeScope();
    }

    private static double Variance(Tensor output)
    {
        using var exact = output.to(float64);
        using var variance = exact.var(unbiased: false);
        return variance.Number();
    }

    private sealed class Stack : nn.Module<Tensor, Tensor>
    {
        private readonly Linear third;
        private readonly Conv2d first;
        private readonly Conv2d second;

        public Stack()
            : base(nameof(Stack))
        {
            third = nn.Linear(6, 2);
            first = nn.Conv2d(3, 5, 3);
            second = nn.Conv2d(5, 6, 3);
            RegisterComponents();
        }

        public Conv2d First => first;

        public Conv2d Second => second;

        public override Tensor forward(Tensor input)
        {
            using var one = first.call(input).relu();
            using var two = second.call(one).relu();
            using var pooled = two.mean([2L, 3L]);
            return third.call(pooled);
        }
    }
}
