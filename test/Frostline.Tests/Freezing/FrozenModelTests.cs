using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FrozenModelTests : IDisposable
{
    private readonly SmallNet _network = new();

    public FrozenModelTests() => random.manual_seed(1);

    public void Dispose() => _network.Dispose();

    public static TheoryData<string, Action<SmallNetAccess>> Thaws => new()
    {
        { "train on the root", net => net.Root.train() },
        { "train on a Sequential", net => net.Stem.train() },
        { "train on the leaf", net => net.Norm.train() },
        { "train on the dropout", net => net.Dropout.train() },
        { "eval and train again", net => { net.Root.eval(); net.Root.train(); } },
        // Of the Sequential only: TorchSharp cannot convert a ModuleDict.
        { "to another type and back", net => { net.Stem.to(ScalarType.Float64); net.Root.train(); net.Stem.to(ScalarType.Float32); } },
        { "every module by hand", net => { foreach (var module in net.Root.modules().ToList()) module.train(); } },
        { "apply", net => net.Root.apply(module => module.train()) },
    };

    [Theory]
    [MemberData(nameof(Thaws))]
    public void Held_modules_stay_in_inference_mode(string what, Action<SmallNetAccess> thaw)
    {
        Assert.NotEmpty(what);
        var access = new SmallNetAccess(_network, _network.stem, _network.StemNorm, _network.StemDropout);

        // Plain TorchSharp: eval() on a leaf lasts until somebody calls train().
        _network.StemNorm.eval();
        _network.StemDropout.eval();
        thaw(access);
        Assert.True(_network.StemNorm.training || _network.StemDropout.training);

        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        thaw(access);
        Assert.False(_network.StemNorm.training);
        Assert.False(_network.StemDropout.training);
        frozen.Verify();
    }

    [Fact]
    public void Freezing_after_a_backward_stops_momentum_decay_and_Adam()
    {
        foreach (var (name, make) in Optimizers())
        {
            Assert.True(Run(make, frostline: false) > 1e-3, $"{name} does not move frozen weights any more; the test shows nothing");
            Assert.True(Run(make, frostline: true) == 0, $"{name} moved frozen weights");
        }

        static double Run(Func<IEnumerable<Parameter>, optim.Optimizer> make, bool frostline)
        {
            random.manual_seed(3);
            using var network = new SmallNet();
            using var optimizer = make([.. network.parameters()]);
            network.Train(optimizer, steps: 1);
            network.forward(randn(8, 1, 5, 5)).square().mean().backward();
            using var before = network.head.weight!.detach().clone();
            FrozenModel? frozen = null;
            if (frostline) frozen = new FreezePlan().Freeze("head").Apply(network, allowRandom: true);
            else foreach (var parameter in network.head.parameters()) parameter.requires_grad = false;
            network.Train(optimizer);
            using var after = network.head.weight!.detach();
            frozen?.Dispose();
            return (after - before).abs().max().item<float>();
        }
    }

    [Fact]
    public void Freezing_parameters_alone_leaves_norm_statistics_moving_and_freezing_does_not()
    {
        foreach (var parameter in _network.parameters()) parameter.requires_grad = false;
        _network.head.weight!.requires_grad = true;
        using var before = _network.StemNorm.running_mean!.clone();
        using var optimizer = optim.SGD([_network.head.weight], 0.1);
        _network.Train(optimizer);
        Assert.False(before.Equals(_network.StemNorm.running_mean));

        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        _network.Train(optimizer);
        Assert.Empty(frozen.Audit().Moved);
        Assert.Equal(frozen.Plan.FrozenTensors, frozen.Audit().FrozenTensors);
    }

    [Fact]
    public void Momentum_zero_and_no_tracking_are_no_freeze_and_holding_is_one()
    {
        using var x = randn(16, 3) + 5;
        using var norm = nn.BatchNorm1d(3, momentum: 0);
        norm.train();
        using var moving = norm.forward(x);
        Assert.True(moving.mean().abs().item<float>() < 1e-3, "with momentum 0 the layer still normalises by the batch");

        using var frozen = new FreezePlan().Freeze("**").Apply(norm, allowRandom: true);
        norm.train();
        using var held = norm.forward(x);
        Assert.True(held.mean().item<float>() > 4);
        Assert.Empty(frozen.Audit().Moved);
    }

    [Fact]
    public void A_held_norm_can_train_its_weight_and_bias()
    {
        using var frozen = new FreezePlan().Freeze("**").Train("stem.bn", NormPolicy.Hold).Train("head").Apply(_network, allowRandom: true);
        using var weight = _network.StemNorm.weight!.detach().clone();
        using var optimizer = optim.SGD(frozen.Trained.Select(trained => trained.Parameter).ToList(), 0.1);
        _network.Train(optimizer);

        Assert.False(weight.Equals(_network.StemNorm.weight));
        frozen.Audit().ThrowIfAnythingMoved();
        Assert.Equal(["stem.bn.weight", "stem.bn.bias", "head.weight", "head.bias"], frozen.Trained.Select(trained => trained.Name));
    }

    [Fact]
    public void Randomness_inside_the_users_own_frozen_modules_is_off_too()
    {
        using var x = randn(2, 4, 3, 3);
        using (new FreezePlan().Freeze("block").Apply(_network, allowRandom: true))
        {
            _network.train();
            Assert.False(_network.block.training);
            using var y = _network.block.forward(x);
            using var z = _network.block.forward(x);
            Assert.True(y.Equals(z));
        }

        Assert.True(_network.block.training);
        Assert.All(_network.block.modules(), module => Assert.True(module.training));

        // Where a part of it is trained, its mode is the loop's.
        using var partly = new FreezePlan().Freeze("block.bn").Apply(_network, allowRandom: true);
        _network.train();
        Assert.True(_network.block.training);
    }

    [Fact]
    public void Gradients_pass_through_a_frozen_layer_to_a_trained_one_below()
    {
        using var frozen = new FreezePlan().Freeze("**").Train("stem.conv").Apply(_network, allowRandom: true);
        _network.train();
        using var loss = _network.forward(randn(4, 1, 5, 5)).square().mean();
        loss.backward();
        using var gradient = ((Conv2d)_network.stem.children().First()).weight!.grad;
        Assert.True(gradient!.abs().sum().item<float>() > 0);
        frozen.Verify();
    }

    [Fact]
    public void Disposing_restores_what_was_found()
    {
        _network.train();
        _network.dict["norm"].eval();
        _network.head.bias!.requires_grad = false;
        var modes = _network.named_modules().Select(pair => (pair.name, pair.module.training)).ToList();
        var names = _network.named_modules().Select(pair => pair.name).ToList();
        var keys = _network.state_dict().Keys.ToList();

        using (new FreezePlan().Freeze("**").Train("head").Apply(_network, allowRandom: true))
        {
            Assert.True(_network.head.bias.requires_grad);
            Assert.Equal(keys, _network.state_dict().Keys);
            Assert.NotEqual(names.Count, _network.named_modules().Count());
            Assert.Equal(names.Count + 1, ModuleTree.Of(_network).Modules.Count);
        }

        Assert.Equal(names, _network.named_modules().Select(pair => pair.name));
        Assert.Equal(modes, _network.named_modules().Select(pair => (pair.name, pair.module.training)));
        Assert.False(_network.head.bias.requires_grad);
        Assert.All(_network.stem.parameters(), parameter => Assert.True(parameter.requires_grad));
    }

    [Fact]
    public void After_disposing_a_held_module_has_the_mode_that_was_asked_for_last()
    {
        _network.train();
        using (new FreezePlan().Freeze("stem | block").Apply(_network, allowRandom: true)) _network.eval();
        Assert.False(_network.StemNorm.training);
        Assert.All(_network.block.modules(), module => Assert.False(module.training));

        using (new FreezePlan().Freeze("stem | block").Apply(_network, allowRandom: true)) _network.train();
        Assert.True(_network.StemNorm.training);
        Assert.All(_network.block.modules(), module => Assert.True(module.training));
    }

    [Fact]
    public void A_plan_that_fails_changes_nothing()
    {
        var modes = _network.named_modules().Select(pair => pair.module.training).ToList();
        _network.forward(randn(2, 1, 5, 5)).sum().backward();
        Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("**").Train("head").Apply(_network));
        using (var closed = nn.Sequential(("norm", new ClosedNorm())))
        {
            Assert.Contains("cannot be held", Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("**").Apply(closed, allowRandom: true)).Message);
            Assert.True(closed.parameters().First().requires_grad);
            using var again = new FreezePlan().Apply(closed, allowRandom: true);
        }

        Assert.Equal(modes, _network.named_modules().Select(pair => pair.module.training));
        Assert.All(_network.parameters(), parameter =>
        {
            Assert.True(parameter.requires_grad);
            using var gradient = parameter.grad;
            Assert.NotNull(gradient);
        });
    }

    [Fact]
    public void Two_plans_at_once_are_refused_also_on_a_part()
    {
        var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("head").Apply(_network, allowRandom: true));
        Assert.Throws<FreezeException>(() => new FreezePlan().Apply(_network.stem, allowRandom: true));
        frozen.Dispose();
        frozen.Dispose();
        new FreezePlan().Freeze("head").Apply(_network, allowRandom: true).Dispose();
    }

    [Fact]
    public void A_computed_parameter_is_refused_though_TorchSharp_says_nothing()
    {
        using var a = ones(2).requires_grad_();
        using var computed = a * 2;
        computed.requires_grad = true;
        using var module = nn.Sequential(("l", nn.Linear(1, 1)));
        using var parameter = new Parameter(computed, requires_grad: true);
        Assert.False(parameter.is_leaf);
        module.children().First().register_parameter("odd", parameter);
        Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("**").Apply(module, allowRandom: true));
    }

    [Fact]
    public void Verify_names_what_was_tampered_with()
    {
        using var frozen = new FreezePlan().Freeze("**").Train("head").Apply(_network, allowRandom: true);
        frozen.Verify();

        _network.StemNorm.weight!.requires_grad = true;
        Expect("stem.bn.weight is frozen and requires a gradient");
        Assert.Equal(ModuleState.Irregular, frozen.Status.Single(module => module.Name == "stem.bn").State);
        _network.StemNorm.weight.requires_grad = false;

        _network.head.weight!.requires_grad = false;
        Expect("head.weight is trained and requires no gradient");
        _network.head.weight.requires_grad = true;

        using (var gradient = zeros_like(_network.StemNorm.weight)) _network.StemNorm.weight.grad = gradient;
        Expect("stem.bn.weight is frozen and has a gradient");
        _network.StemNorm.weight.grad = null;
        frozen.Verify();

        var guard = _network.StemNorm.children().Single();
        ModuleComponents.Children(_network.StemNorm).Remove(FreezeGuard.ReservedName);
        Expect("stem.bn has lost its guard");
        _network.train();
        Expect("stem.bn is held in inference mode and is in training mode");
        ModuleComponents.Children(_network.StemNorm).Add(FreezeGuard.ReservedName, guard);
        _network.train();
        frozen.Verify();

        using var added = nn.Linear(1, 1);
        _network.register_module("added", added);
        Expect("the network: its submodules were exchanged");
        _network.register_module("added", null!);
        frozen.Verify();

        void Expect(string message) => Assert.Contains(message, Assert.Throws<FreezeException>(frozen.Verify).Message);
    }

    [Fact]
    public void After_a_conversion_the_trained_parameters_are_the_new_ones()
    {
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        using var stale = _network.head.weight!;
        _network.stem.to(ScalarType.Float64);
        _network.head.to(ScalarType.Float64);
        Assert.True(stale.IsInvalid);
        frozen.Verify();
        Assert.All(
            frozen.Trained.Where(trained => trained.Name.StartsWith("head", StringComparison.Ordinal)),
            trained => Assert.Equal(ScalarType.Float64, trained.Parameter.dtype));
        Assert.All(frozen.Trained, trained => Assert.Same(_network.get_parameter(trained.Name), trained.Parameter));
        Assert.Contains(frozen.Audit().Moved, moved => moved is { Name: "stem.conv.weight", Change: TensorChange.Type });
    }

    [Fact]
    public void A_network_that_is_disposed_first_does_no_harm()
    {
        var network = new SmallNet();
        var frozen = new FreezePlan().Freeze("stem | block").Apply(network, allowRandom: true);
        network.Dispose();
        frozen.Dispose();
        Assert.Throws<ObjectDisposedException>(frozen.Verify);
    }

    [Fact]
    public void Modules_that_run_whatever_children_they_find_compute_the_same()
    {
        using var network = new Enumerating();
        using var x = randn(2, 3);
        network.eval();
        using var expected = network.forward(x);
        using (new FreezePlan().Freeze("**").Apply(network, allowRandom: true))
        {
            network.train();
            using var actual = network.forward(x);
            Assert.True(expected.Equals(actual));
        }

        Assert.Equal(2, network.children().Count());
    }

    [Fact]
    public void Saving_and_loading_go_through_a_frozen_network()
    {
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        // TorchSharp closes the stream.
        var saved = new MemoryStream();
        _network.save(saved);
        _network.load(new MemoryStream(saved.ToArray()));
        frozen.Verify();
        frozen.Audit().ThrowIfAnythingMoved();
        using var other = new SmallNet();
        other.load(new MemoryStream(saved.ToArray()));
        Assert.Equal(Fingerprints.Of(_network).ToJson(), Fingerprints.Of(other).ToJson());
    }

    private static (string Name, Func<IEnumerable<Parameter>, optim.Optimizer> Make)[] Optimizers() =>
    [
        ("SGD with weight decay", parameters => optim.SGD(parameters, 0.1, weight_decay: 0.05)),
        ("SGD with momentum", parameters => optim.SGD(parameters, 0.1, momentum: 0.9)),
        ("AdamW", parameters => optim.AdamW(parameters, 0.1)),
    ];

    /// <summary>What a thawing call may reach.</summary>
    public sealed record SmallNetAccess(nn.Module Root, nn.Module Stem, nn.Module Norm, nn.Module Dropout)
    {
        public override string ToString() => "net";
    }

    private sealed class Enumerating : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = nn.Linear(3, 3);
        private readonly BatchNorm1d second = nn.BatchNorm1d(3);

        internal Enumerating()
            : base(nameof(Enumerating)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            var x = input;
            foreach (var child in children().Cast<nn.Module<Tensor, Tensor>>().ToList()) x = child.forward(x);
            return x;
        }
    }

    /// <summary>A norm that tells nobody of its children.</summary>
    internal sealed class ClosedNorm : BatchNorm
    {
        internal ClosedNorm()
            : base(2, 1e-5, 0.1, true, true, null, null, nameof(ClosedNorm))
        {
        }

        public override IEnumerable<(string name, nn.Module module)> named_children() => [];

        protected override void ValidateInputDimensions(Tensor input)
        {
        }
    }
}
