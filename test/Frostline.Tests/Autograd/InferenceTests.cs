using Frostline.Autograd;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Testing;
using Frostline.Tests.Freezing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

[Collection(LibTorchCollection.Name)]
public sealed class InferenceTests
{
    [Fact]
    public void Within_the_scope_a_network_is_in_use_and_afterwards_every_mode_is_as_before()
    {
        using var network = new SmallNet();
        network.train();
        network.stem.eval();
        network.StemDropout.train();
        var modes = Modes(network);

        using (Inference.Of(network))
        {
            Assert.All(network.modules(), module => Assert.False(module.training));
            using var y = network.forward(ones(2, 1, 5, 5));
            Assert.False(y.requires_grad);
            Assert.False(is_grad_enabled());
        }

        Assert.True(is_grad_enabled());
        Assert.Equal(modes, Modes(network));
    }

    [Fact]
    public void An_exception_within_the_scope_restores_the_modes_too()
    {
        using var network = new SmallNet();
        var modes = Modes(network);
        Assert.Throws<InvalidOperationException>(Fail);
        Assert.Equal(modes, Modes(network));
        Assert.True(is_grad_enabled());

        void Fail()
        {
            using var _ = Inference.Of(network);
            throw new InvalidOperationException();
        }
    }

    [Fact]
    public void A_frozen_part_stays_held_through_the_scope_and_the_mode_asked_for_is_the_networks()
    {
        using var network = new SmallNet();
        network.train();
        using (var frozen = new FreezePlan().Freeze("stem | block").Apply(network, allowRandom: true))
        {
            using (Inference.Of(network)) Assert.False(network.head.training);
            Assert.True(network.head.training);
            Assert.False(network.StemNorm.training);
            frozen.Verify();
        }

        Assert.True(network.StemNorm.training);
        Assert.All(network.block.modules(), module => Assert.True(module.training));
    }

    [Fact]
    public void NoGrad_nests()
    {
        using (NoGrad.Enter())
        {
            using (NoGrad.Enter()) Assert.False(is_grad_enabled());
            Assert.False(is_grad_enabled());
        }

        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void Modes_are_captured_and_restored()
    {
        using var network = new SmallNet();
        network.dict.eval();
        var modes = Modes(network);
        var captured = ModuleModes.Capture(network);
        network.eval();
        network.dict.train();
        captured.Restore();
        Assert.Equal(modes, Modes(network));
    }

    private static List<(string Name, bool Training)> Modes(nn.Module network) =>
        [.. network.named_modules().Select(pair => (pair.name, pair.module.training)).Prepend(("", network.training))];
}
