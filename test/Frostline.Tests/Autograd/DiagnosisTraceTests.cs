using Frostline.Autograd;
using Frostline.Freezing;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

/// <summary>A diagnosis leaves no trace.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class DiagnosisTraceTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    public DiagnosisTraceTests() => manual_seed(5).Dispose();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(Fault.None)]
    [InlineData(Fault.DetachedBranch)]
    [InlineData(Fault.NotANumber)]
    [InlineData(Fault.DetachedOutput)]
    public void The_network_is_afterwards_what_it_was(Fault fault) => AssertUntouched(fault, (network, frozen, restless) =>
        GradientDiagnosis.Of(
            frozen,
            () =>
            {
                restless(network);
                return Loss(network, 8);
            },
            Batches(network, 8, 1)));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void The_network_is_what_it_was_also_where_the_loss_throws(int call) => AssertUntouched(Fault.DetachedBranch, (network, frozen, restless) =>
    {
        var calls = 0;
        Assert.Throws<InvalidOperationException>(() => GradientDiagnosis.Of(frozen, () =>
        {
            restless(network);
            var loss = Loss(network, 8);
            return ++calls == call ? throw new InvalidOperationException("mine") : loss;
        }));
    });

    [Fact]
    public void Nothing_is_left_in_memory()
    {
        // Without dead parameters: TorchSharp counts the empty handles that it gives for them, and never stops to.
        using var network = new FaultyNetwork(Fault.DeadBranch, 6, 3);
        using var frozen = new FreezePlan().Freeze("stem").Apply(network, allowRandom: true);
        network.train();
        using var inputs = Inputs();
        Tensor First(int count)
        {
            using var part = inputs.narrow(0, 0, count);
            return network.forward(part).square().mean();
        }

        var options = new DiagnosisOptions { BatchSizes = [8, 1], LossOfFirst = First };
        GradientDiagnosis.Of(frozen, () => First(8), options);
        var before = LiveTensors.CountWithoutGarbage();
        GradientDiagnosis.Of(frozen, () => First(8), options);
        Assert.Equal(before, LiveTensors.CountWithoutGarbage());
    }

    /// <summary>Diagnoses a network in mixed modes, with gradients on it, by a loss that moves whatever can be moved.</summary>
    private static void AssertUntouched(Fault fault, Action<FaultyNetwork, FrozenModel, Action<FaultyNetwork>> diagnose)
    {
        using var network = new FaultyNetwork(fault, 6, 3);
        using var frozen = new FreezePlan().Freeze("stem").Apply(network, allowRandom: true);
        network.train();
        var linear = (Linear)((Sequential)network.children().ElementAt(1)).children().First();
        linear.eval();
        var gradient = ones_like(linear.weight!);
        linear.weight!.grad = gradient;
        var before = Fingerprints.Of(network);
        var modes = network.modules().Select(module => module.training).ToList();
        using var generator = random.get_rng_state();

        diagnose(network, frozen, net =>
        {
            net.eval();
            linear.train();
            using (no_grad()) linear.bias!.fill_(7);
        });

        var after = Fingerprints.Of(network);
        Assert.All(before.Names, name => Assert.Equal(before.Find(name), after.Find(name)));
        Assert.Equal(modes, network.modules().Select(module => module.training));
        Assert.True(generator.Equals(random.get_rng_state()));
        Assert.Equal(linear.weight.numel(), linear.weight.grad!.sum().Number());
        Assert.All(network.named_parameters().Where(pair => pair.name != "body.linear.weight"), pair => Assert.Null(pair.parameter.grad));
        Assert.All(network.named_parameters(), pair => Assert.Equal(!pair.name.StartsWith("stem", StringComparison.Ordinal), pair.parameter.requires_grad));
        frozen.Verify();
    }

    private static DiagnosisOptions Batches(nn.Module<Tensor, Tensor> network, params int[] sizes) =>
        new() { BatchSizes = sizes, LossOfFirst = count => Loss(network, count) };

    private static Tensor Inputs() => tensor(DeterministicFill.Values("input:points", 8, 6), 8, 6);

    private static Tensor Loss(nn.Module<Tensor, Tensor> network, int count) => network.forward(Inputs().narrow(0, 0, count)).square().mean();
}
