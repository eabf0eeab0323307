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

    [Fact]
    public void TorchSharp_undoes_a_mixed_mode_and_the_scope_keeps_it()
    {
        using var network = new SmallNet();
        network.StemNorm.eval();
        network.eval();
        network.train();
        Assert.True(network.StemNorm.training);

        network.StemNorm.eval();
        using (Inference.Of(network)) Assert.False(network.training);
        Assert.True(network.training);
        Assert.False(network.StemNorm.training);
    }

    [Theory]
    [InlineData(true, false, true)]
    [InlineData(false, true, false)]
    [InlineData(true, true, false)]
    [InlineData(false, false, true)]
    public void A_module_below_two_parents_gets_its_own_mode_back(bool first, bool second, bool shared)
    {
        using var norm = nn.BatchNorm1d(2);
        using var network = new TwoParents(nn.Sequential(("norm", norm)), nn.Sequential(("norm", norm)));
        network.train(false);
        network.a.train(first);
        network.b.train(second);
        norm.train(shared);
        using (Inference.Of(network)) Assert.False(norm.training);
        Assert.Equal((first, second, shared), (network.a.training, network.b.training, norm.training));
    }

    [Fact]
    public void A_scope_ended_twice_restores_once()
    {
        using var network = new SmallNet();
        var scope = Inference.Of(network);
        scope.Dispose();
        network.eval();
        using (no_grad())
        {
            scope.Dispose();
            Assert.False(is_grad_enabled());
        }

        Assert.False(network.training);
        default(Inference).Dispose();
        default(NoGrad).Dispose();
    }

    [Fact]
    public void A_network_disposed_within_the_scope_does_no_harm()
    {
        var network = new SmallNet();
        using (Inference.Of(network)) network.Dispose();
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void A_module_that_refuses_the_mode_leaves_the_others_as_they_were()
    {
        using var network = new TwoParents(nn.Dropout(), nn.Sequential(("dropout", nn.Dropout()), ("refusing", new Refusing())));
        Assert.Throws<NotSupportedException>(() => Inference.Of(network).Dispose());
        Assert.All(network.modules(), module => Assert.True(module.training));
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public unsafe void Ending_on_another_thread_is_an_error_that_changes_nothing()
    {
        // A ref struct cannot be handed to another thread by any means of the language; its address can.
        using var network = new SmallNet();
        var inference = Inference.Of(network);
        var noGrad = NoGrad.Enter();
        Exception?[] errors = new Exception?[2];
#pragma warning disable CS8500 // The address of a type with references, for as long as this thread waits.
        var (first, second) = ((nint)(&inference), (nint)(&noGrad));
        var thread = new Thread(() =>
        {
            errors[0] = Record.Exception(() => ((Inference*)first)->Dispose());
            errors[1] = Record.Exception(() => ((NoGrad*)second)->Dispose());
        });
#pragma warning restore CS8500
        thread.Start();
        thread.Join();
        Assert.All(errors, error => Assert.IsType<InvalidOperationException>(error));
        Assert.False(network.training);
        Assert.False(is_grad_enabled());
        noGrad.Dispose();
        inference.Dispose();
        Assert.True(network.training);
        Assert.True(is_grad_enabled());
    }

    private sealed class TwoParents : nn.Module
    {
        internal readonly nn.Module a;
        internal readonly nn.Module b;

        internal TwoParents(nn.Module a, nn.Module b)
            : base(nameof(TwoParents))
        {
            (this.a, this.b) = (a, b);
            RegisterComponents();
        }
    }

    private sealed class Refusing : nn.Module<Tensor, Tensor>
    {
        internal Refusing()
            : base(nameof(Refusing))
        {
        }

        public override void train(bool train = true)
        {
            if (!train) throw new NotSupportedException();
            base.train(train);
        }

        public override Tensor forward(Tensor input) => input;
    }

    private static List<(string Name, bool Training)> Modes(nn.Module network) =>
        [.. network.named_modules().Select(pair => (pair.name, pair.module.training)).Prepend(("", network.training))];
}
