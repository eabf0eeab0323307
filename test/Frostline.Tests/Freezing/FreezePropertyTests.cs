using CsCheck;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FreezePropertyTests
{
    /// <summary>Something that is done to a network; the number says to which part, or how.</summary>
    public enum Deed
    {
        Freeze,
        Unfreeze,
        Train,
        Eval,
        Step,
        SaveAndLoad,
        Audit,
    }

    private static readonly Gen<(int[] Layers, (Deed Deed, int Number)[] Deeds, int Optimizer)> s_cases = Gen.Select(
        Gen.Int[0, 5].Array[2, 7],
        Gen.Select(
            Gen.Frequency((3, Deed.Freeze), (1, Deed.Unfreeze), (4, Deed.Train), (2, Deed.Eval), (6, Deed.Step), (1, Deed.SaveAndLoad), (1, Deed.Audit)),
            Gen.Int[0, 10_000]).Array[20],
        Gen.Int[0, 2]);

    [Fact]
    public void Frozen_bits_never_move_whatever_is_done() =>
        s_cases.Holds(Play, samples: 500, print: one => $"layers {string.Join(',', one.Layers)} optimizer {one.Optimizer}: {string.Join(' ', one.Deeds)}");

    private static void Play((int[] Layers, (Deed Deed, int Number)[] Deeds, int Optimizer) one)
    {
        random.manual_seed(5);
        using var network = new LayerStack(one.Layers);
        var modes = Modes(network);
        // It was given everything, and is never told of the freezing.
        using var optimizer = Optimizer(network, one.Optimizer);
        FrozenModel? frozen = null;
        foreach (var (deed, number) in one.Deeds)
        {
            using var scope = NewDisposeScope();
            switch (deed)
            {
                case Deed.Freeze:
                    frozen?.Dispose();
                    frozen = Freeze(network, number);
                    break;
                case Deed.Unfreeze:
                    frozen?.Dispose();
                    frozen = null;
                    Assert.All(network.parameters(), parameter => Assert.True(parameter.requires_grad));
                    break;
                case Deed.Train or Deed.Eval:
                    var modules = ModuleTree.Of(network).Modules;
                    modules[number % modules.Count].Module.train(deed == Deed.Train);
                    break;
                case Deed.Step:
                    Step(network, optimizer, number);
                    break;
                case Deed.SaveAndLoad:
                    var saved = new MemoryStream();
                    network.save(saved);
                    network.load(new MemoryStream(saved.ToArray()));
                    break;
            }

            frozen?.Verify();
            frozen?.Audit().ThrowIfAnythingMoved();
        }

        frozen?.Dispose();
        Assert.Equal(modes.Select(mode => mode.Name), Modes(network).Select(mode => mode.Name));
        Assert.All(network.parameters(), parameter => Assert.True(parameter.requires_grad));
    }

    /// <summary>A plan from the bits of a number: which layers are frozen, and how the rest is trained.</summary>
    private static FrozenModel Freeze(LayerStack network, int number)
    {
        var plan = new FreezePlan();
        var names = network.NamesWithTensors.ToList();
        for (var i = 0; i < names.Count; i++)
        {
            switch ((number >> (2 * i)) & 3)
            {
                case 0: plan.Freeze(names[i]); break;
                case 1: plan.Train(names[i], NormPolicy.Hold); break;
                case 2: plan.Train(names[i]); break;
            }
        }

        return plan.Apply(network, allowRandom: true);
    }

    private static void Step(LayerStack network, optim.Optimizer optimizer, int number)
    {
        using var pause = FinalizerPause.Enter();
        optimizer.zero_grad();
        var input = randn(6, 4);
        var output = number % 2 == 0 ? network.forward(input) : network.call(input);
        if (output.requires_grad) output.square().mean().backward();
        optimizer.step();
    }

    private static optim.Optimizer Optimizer(nn.Module network, int kind)
    {
        var parameters = network.parameters().ToList();
        return kind switch
        {
            0 => optim.SGD(parameters, 0.05, momentum: 0.9, weight_decay: 0.1),
            1 => optim.AdamW(parameters, 0.05),
            _ => optim.Adam(parameters, 0.05, weight_decay: 0.1),
        };
    }

    private static List<(string Name, bool Training)> Modes(nn.Module network) => [.. network.named_modules().Select(pair => (pair.name, pair.module.training))];
}
