using Frostline.Optimization;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;

namespace Frostline.Tests.Optimization;

[Collection(LibTorchCollection.Name)]
public sealed class NamedOptimizerTests
{
    [Fact]
    public void AdamWDecaysByOneHundredthUnlessTold()
    {
        var parameter = Parameter(2.0);
        using var optimizer = Of(Optimizers.AdamW(learningRate: 0.1), ("w", parameter));
        parameter.grad = torch.zeros_like(parameter);
        optimizer.Step();
        Assert.Equal(2.0 * (1 - (0.1 * 0.01)), parameter.item<double>(), 12);
    }

    [Fact]
    public void AGroupsOwnDecayAndMultiplierCount()
    {
        Parameter slow = Parameter(1.0), bare = Parameter(1.0);
        using var optimizer = new NamedOptimizer(
            Optimizers.Sgd(learningRate: 0.1, weightDecay: 0.5),
            [
                new OptimizerGroup("0.1x", [new NamedParameter("slow", slow)], Multiplier: 0.1),
                new OptimizerGroup("bare", [new NamedParameter("bare", bare)], WeightDecay: 0),
            ]);
        slow.grad = torch.ones_like(slow);
        bare.grad = torch.ones_like(bare);
        optimizer.Step();
        Assert.Equal(1 - (0.01 * 1.5), slow.item<double>(), 12);
        Assert.Equal(0.9, bare.item<double>(), 12);

        optimizer.LearningRate = 0.2;
        Assert.Equal(0.02, optimizer.LearningRates["0.1x"], 12);
        optimizer.Step();
        Assert.Equal(0.7, bare.item<double>(), 12);
    }

    [Fact]
    public void NesterovFollowsItsFormula()
    {
        var parameter = Parameter(1.0);
        using var optimizer = Of(Optimizers.Sgd(0.1, momentum: 0.9, nesterov: true, weightDecay: 0.2), ("w", parameter));
        double value = 1, momentum = 0;
        for (var step = 0; step < 5; step++)
        {
            parameter.grad = torch.full_like(parameter, 0.3 + step);
            optimizer.Step();
            var gradient = 0.3 + step + (0.2 * value);
            momentum = step == 0 ? gradient : (0.9 * momentum) + gradient;
            value -= 0.1 * (gradient + (0.9 * momentum));
            Assert.Equal(value, parameter.item<double>(), 12);
        }
    }

    public static TheoryData<OptimizerSettings> AllSettings =>
    [
        Optimizers.Sgd(0.1), Optimizers.Sgd(0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-3), Optimizers.Adam(0.05, weightDecay: 0.1),
        Optimizers.AdamW(0.05), new AdamWSettings { AmsGrad = true },
    ];

    [Theory]
    [MemberData(nameof(AllSettings))]
    public void StateComesBackByNameInAnotherOrderBitForBit(OptimizerSettings settings)
    {
        var straight = Enumerable.Range(0, 3).Select(i => Vector(i)).ToList();
        var resumed = Enumerable.Range(0, 3).Select(i => Vector(i)).ToList();
        using var whole = Of(settings, ("a", straight[0]), ("b", straight[1]), ("c", straight[2]));
        using var first = Of(settings, ("a", resumed[0]), ("b", resumed[1]), ("c", resumed[2]));
        for (var step = 0; step < 3; step++)
        {
            Run(whole, straight, step);
            Run(first, resumed, step);
        }

        using var second = Of(settings, ("c", resumed[2]), ("a", resumed[0]), ("b", resumed[1]));
        var saved = first.State().ToDictionary(t => t.Name, t => t.Tensor.clone(), StringComparer.Ordinal);
        var report = second.Restore(saved);
        Assert.Empty(report.Dropped);
        for (var step = 3; step < 6; step++)
        {
            Run(whole, straight, step);
            Run(second, resumed, step);
        }

        for (var i = 0; i < 3; i++) Assert.True(straight[i].Equals(resumed[i]), $"parameter {i}");
    }

    [Fact]
    public void RestoreReportsWhatIsNewAndWhatWent()
    {
        var (a, b) = (Vector(0), Vector(1));
        using var before = Of(Optimizers.AdamW(), ("a", a), ("gone", b));
        Run(before, [a, b], 0);
        using var after = Of(Optimizers.AdamW(), ("a", a), ("new", Vector(2)));
        var report = after.Restore(before.State().ToDictionary(t => t.Name, t => t.Tensor, StringComparer.Ordinal));
        Assert.Equal(["a"], report.Restored);
        Assert.Equal(["new"], report.Fresh);
        Assert.Equal(["gone.step", "gone.exp_avg", "gone.exp_avg_sq"], report.Dropped);
    }

    [Fact]
    public void StateOfAnotherShapeIsRefusedBeforeAnythingChanges()
    {
        var parameter = Vector(0);
        using var optimizer = Of(Optimizers.Sgd(0.1, momentum: 0.9), ("a", parameter));
        Run(optimizer, [parameter], 0);
        var before = optimizer.State()[0].Tensor.clone();
        var error = Assert.Throws<FrostlineException>(() => optimizer.Restore(
            new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { ["a.momentum_buffer"] = torch.zeros(3, 1) }));
        Assert.Contains("\"a\"", error.Message, StringComparison.Ordinal);
        Assert.True(before.Equals(optimizer.State()[0].Tensor));
    }

    [Fact]
    public void DuplicatesAreRefusedByNameAndByIdentity()
    {
        var parameter = Parameter(1.0);
        Assert.Contains("twice", Assert.Throws<FrostlineException>(() => Of(Optimizers.Adam(), ("a", parameter), ("a", Parameter(1.0)))).Message, StringComparison.Ordinal);
        var error = Assert.Throws<FrostlineException>(() => Of(Optimizers.Adam(), ("encoder.weight", parameter), ("decoder.weight", parameter)));
        Assert.Contains("\"encoder.weight\" and \"decoder.weight\" are one parameter", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FrozenParametersAndNoneAreRefused()
    {
        var frozen = Parameter(1.0);
        frozen.requires_grad = false;
        Assert.Contains("frozen", Assert.Throws<FrostlineException>(() => Of(Optimizers.Adam(), ("a", frozen))).Message, StringComparison.Ordinal);
        Assert.Contains("nothing to train", Assert.Throws<FrostlineException>(() => Of(Optimizers.Adam())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StaleHandlesAfterToAreRefused()
    {
        using var network = torch.nn.Linear(2, 2);
        using var optimizer = new NamedOptimizer(
            Optimizers.Adam(), [new OptimizerGroup("1x", [.. network.named_parameters().Select(p => new NamedParameter(p.name, p.parameter))])]);
        optimizer.Verify(network);
        network.to(torch.float64);
        Assert.Contains("weight", Assert.Throws<FrostlineException>(() => optimizer.Verify(network)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(AllSettings))]
    public void AParameterWithoutAGradientIsLeftAlone(OptimizerSettings settings)
    {
        var (moved, left) = (Vector(0), Vector(1));
        using var optimizer = Of(settings, ("moved", moved), ("left", left));
        Run(optimizer, [moved, left], 0);
        optimizer.ZeroGrad();
        var before = left.detach().clone();
        moved.grad = torch.ones_like(moved);
        optimizer.Step();
        Assert.True(before.Equals(left));
    }

    [Fact]
    public void RegroupingKeepsWhatStaysStartsWhatComesAndReportsWhatWent()
    {
        using var scope = torch.NewDisposeScope();
        var (stays, goes, comes) = (Parameter(1), Parameter(2), Parameter(3));
        using var optimizer = Of(Optimizers.Sgd(0.1, momentum: 0.9), ("stays", stays), ("goes", goes));
        foreach (var parameter in new[] { stays, goes, comes }) parameter.grad = torch.ones_like(parameter);
        optimizer.Step();
        var report = optimizer.Regroup([new OptimizerGroup("0.5x", [new NamedParameter("stays", stays), new NamedParameter("comes", comes)], 0.5)]);
        Assert.Equal(["stays"], report.Restored);
        Assert.Equal(["comes"], report.Fresh);
        Assert.Equal(["goes.momentum_buffer"], report.Dropped);
        Assert.Equal(["stays.momentum_buffer"], optimizer.State().Select(part => part.Name));
        var (before, fresh, gone) = (stays.item<double>(), comes.item<double>(), goes.item<double>());
        optimizer.Step();
        // Momentum of two steps against that of one, at half the rate.
        Assert.Equal(before - (0.05 * 1.9), stays.item<double>(), 12);
        Assert.Equal(fresh - 0.05, comes.item<double>(), 12);
        Assert.Equal(gone, goes.item<double>());

        var state = optimizer.State().Select(part => part.Name).ToList();
        Assert.Throws<FrostlineException>(() => optimizer.Regroup([]));
        goes.requires_grad = false;
        Assert.Throws<FrostlineException>(() => optimizer.Regroup([new OptimizerGroup("1x", [new NamedParameter("goes", goes)])]));
        Assert.Equal(state, optimizer.State().Select(part => part.Name));
    }

    [Fact]
    public void NumbersOutOfRangeAreNamed()
    {
        Assert.Contains("learning-rate -1", Assert.Throws<FrostlineException>(() => Of(Optimizers.Sgd(-1), ("a", Parameter(1)))).Message, StringComparison.Ordinal);
        Assert.Contains("nesterov", Assert.Throws<FrostlineException>(() => Of(Optimizers.Sgd(1, nesterov: true), ("a", Parameter(1)))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ClippingScalesAllGradientsByOneFactor()
    {
        var (a, b) = (Parameter(0), Parameter(0));
        NamedParameter[] parameters = [new("a", a), new("b", b)];
        a.grad = torch.tensor(3.0, torch.float64);
        b.grad = torch.tensor(4.0, torch.float64);
        Assert.Equal(5, Gradients.ClipByNorm(parameters, 10), 12);
        Assert.Equal(3, a.grad!.item<double>(), 12);
        Assert.Equal(5, Gradients.ClipByNorm(parameters, 1), 12);
        Assert.Equal(0.6, a.grad!.item<double>(), 6);
        Assert.Equal(0.8, b.grad!.item<double>(), 6);
    }

    [Fact]
    public void GradientNormsComeLargestFirstAndNaNBeforeAll()
    {
        var (a, b, c) = (Parameter(0), Parameter(0), Parameter(0));
        a.grad = torch.tensor(1.0, torch.float64);
        b.grad = torch.tensor(-7.0, torch.float64);
        c.grad = torch.tensor(double.NaN, torch.float64);
        Assert.Equal(["c", "b", "a"], Gradients.Norms([new("a", a), new("b", b), new("c", c)]).Select(n => n.Name));
    }

    private static Parameter Parameter(double value) => new(torch.tensor(value, torch.float64));

    private static Parameter Vector(int seed) => new(torch.arange(1, 6, torch.float32).sin().mul_(seed + 1));

    private static NamedOptimizer Of(OptimizerSettings settings, params (string Name, Parameter Parameter)[] parameters) =>
        new(settings, [new OptimizerGroup("1x", [.. parameters.Select(p => new NamedParameter(p.Name, p.Parameter))])]);

    private static void Run(NamedOptimizer optimizer, List<Parameter> parameters, int step)
    {
        for (var i = 0; i < parameters.Count; i++) parameters[i].grad = (parameters[i].detach() * (0.1 + step)).cos();
        optimizer.Step();
    }
}
