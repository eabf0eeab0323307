using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Testing;
using Frostline.Vision.Tests.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Freezing;

/// <summary>
/// Whole networks, of which the top is trained for a hundred steps by loops that call <c>train()</c> on the network each time: nothing
/// that is frozen moves by a bit, and where something of the freezing is left out, it does.
/// </summary>
[Collection(LibTorchCollection.Name)]
public sealed class HundredStepsTests
{
    private const int Steps = 100;
    private const int Classes = 7;

    /// <summary>The network, what is trained of it, how many tensors that leaves frozen, the side of its images, and the optimizer.</summary>
    public static TheoryData<string, string, int, long, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, string, int, long, bool>();
            foreach (var adam in new[] { false, true })
            {
                cases.Add("resnet18", "layer4 | fc", 90, 48, adam);
                cases.Add("squeezenet1_1", "classifier", 50, 48, adam);
                cases.Add("cifar-resnet20", "layer3 | linear", 78, 32, adam);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Nothing_frozen_moves_in_a_hundred_steps(string name, string trained, int frozenTensors, long size, bool adam)
    {
        using var network = DeterministicFill.Fill(TestNetworks.Create(name, Classes));
        using var frozen = new FreezePlan().Freeze("**").Train(trained).Apply(network, allowRandom: true);
        Train(network, frozen, adam, size, Steps);

        var audit = frozen.Audit();
        audit.ThrowIfAnythingMoved();
        Assert.Equal(frozenTensors, audit.FrozenTensors);
        Assert.Empty(audit.TrainedButUnmoved);
        Assert.All(frozen.Trained, parameter => Assert.True(IsFinite(parameter.Parameter), $"{parameter.Name} is no number any more"));
    }

    [Theory]
    [InlineData("resnet18", "layer4 | fc", 15, 48)]
    [InlineData("cifar-resnet20", "layer3 | linear", 13, 32)]
    public void Where_parameters_alone_are_frozen_the_statistics_move_and_are_named(string name, string trained, int norms, long size)
    {
        using var network = DeterministicFill.Fill(TestNetworks.Create(name, Classes));
        using var frozen = new FreezePlan().Parameters($"!({trained})", trained: false).Apply(network, allowRandom: true);
        Train(network, frozen, adam: false, size, steps: 10);

        var held = frozen.Trained.Select(parameter => parameter.Name[..parameter.Name.LastIndexOf('.')]).ToHashSet(StringComparer.Ordinal);
        var expected = ModuleTree.Of(network).Modules
            .Where(entry => entry.Module is TorchSharp.Modules.BatchNorm2d && !held.Contains(entry.Name))
            .SelectMany(entry => new[] { "running_mean", "running_var", "num_batches_tracked" }.Select(statistic => $"{entry.Name}.{statistic}"))
            .ToList();
        Assert.Equal(3 * norms, expected.Count);
        var audit = frozen.Audit();
        Assert.Equal(expected.Order(StringComparer.Ordinal), audit.Moved.Select(moved => moved.Name).Order(StringComparer.Ordinal));
        Assert.Contains("bn1.running_mean", Assert.Throws<FreezeException>(audit.ThrowIfAnythingMoved).Message);
    }

    [Fact]
    public void Freezing_by_requires_grad_after_a_backward_lets_momentum_go_on()
    {
        // SqueezeNet has no norms: what moves it is what the optimizer remembers.
        using var network = DeterministicFill.Fill(TestNetworks.Create("squeezenet1_1", Classes));
        using (var optimizer = optim.SGD([.. network.parameters()], 0.01, momentum: 0.9))
        {
            Step(network, 0, 48, () => optimizer.zero_grad(), () => optimizer.step());
            var before = Fingerprints.Of(network);
            foreach (var (name, parameter) in network.named_parameters().ToList())
                if (name.StartsWith("features", StringComparison.Ordinal)) parameter.requires_grad = false;
            for (var step = 1; step <= 3; step++) Step(network, step, 48, () => optimizer.zero_grad(), () => optimizer.step());
            Assert.Equal(50, Moved(network, before));
        }

        // The same beginning, gradients included, and then a plan.
        foreach (var parameter in network.parameters()) parameter.requires_grad = true;
        using (var optimizer = optim.SGD([.. network.parameters()], 0.01, momentum: 0.9))
            Step(network, 0, 48, () => optimizer.zero_grad(), () => optimizer.step());
        var prints = Fingerprints.Of(network);
        using var frozen = new FreezePlan().Freeze("**").Train("classifier").Apply(network, allowRandom: true);
        Train(network, frozen, adam: false, 48, 3);
        Assert.Equal(0, Moved(network, prints));
        frozen.Audit().ThrowIfAnythingMoved();

        static int Moved(nn.Module network, Fingerprints before)
        {
            var after = Fingerprints.Of(network);
            return before.Names.Count(name => name.StartsWith("features", StringComparison.Ordinal) && before.Find(name) != after.Find(name));
        }
    }

    private static void Train(nn.Module<Tensor, Tensor> network, FrozenModel frozen, bool adam, long size, int steps)
    {
        using var optimizer = frozen.Optimizer(adam
            ? Optimizers.AdamW(learningRate: 1e-3, weightDecay: 1e-2)
            : Optimizers.Sgd(learningRate: 1e-3, momentum: 0.9, weightDecay: 1e-2));
        for (var step = 0; step < steps; step++) Step(network, step, size, optimizer.ZeroGrad, optimizer.Step);
    }

    /// <summary>A step on images and dropout masks that depend on its number alone.</summary>
    private static void Step(nn.Module<Tensor, Tensor> network, int number, long size, Action zeroGrad, Action step)
    {
        using var pause = FinalizerPause.Enter();
        using var scope = NewDisposeScope();
        random.manual_seed(number);
        network.train();
        zeroGrad();
        var images = DeterministicFill.Input($"step{number}", 4, 3, size, size);
        var labels = torch.tensor(Enumerable.Range(0, 4).Select(i => (long)((number + i) % Classes)).ToArray());
        nn.functional.cross_entropy(network.call(images), labels).backward();
        step();
    }

    private static bool IsFinite(Tensor tensor)
    {
        using var finite = tensor.isfinite();
        using var all = finite.all();
        return all.item<bool>();
    }
}
