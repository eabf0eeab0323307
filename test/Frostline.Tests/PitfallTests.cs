using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Testing;
using Frostline.Tests.Freezing;
using Frostline.Tests.Initialization;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests;

/// <summary>
/// What surprises users of plain TorchSharp: each test shows it first, then that Frostline does otherwise. Momentum, weight decay, drifting
/// statistics, <c>momentum = 0</c> and changes of mode are in <see cref="FrozenModelTests"/>, hidden buffers and types in ModuleTreeTests, the missing
/// <c>grad_fn</c> and <c>await</c> under <c>no_grad</c> in the tests of Autograd.
/// </summary>
[Collection(LibTorchCollection.Name)]
public sealed class PitfallTests : IDisposable
{
    // One more pitfall, shown in FinalizerPauseTests, stays out: numbers that are freed while TorchSharp reads them.
    private readonly FinalizerPause _pause = FinalizerPause.Enter();
    private readonly DisposeScope _scope = NewDisposeScope();

    public PitfallTests() => random.manual_seed(1);

    public void Dispose()
    {
        _scope.Dispose();
        _pause.Dispose();
    }

    [Fact]
    public void A_freeze_by_hooks_fails_where_forward_is_called()
    {
        using var network = new CallsForward();
        var hook = network.norm.register_forward_pre_hook((module, input) =>
        {
            module.eval();
            return input;
        });
        network.train();
        var before = network.norm.running_mean!.clone();
        network.forward(randn(8, 3));
        Assert.False(before.Equals(network.norm.running_mean), "the hook has fired");
        hook.remove();

        using var frozen = new FreezePlan().Freeze("norm").Apply(network, allowRandom: true);
        network.train();
        network.forward(randn(8, 3));
        frozen.Audit().ThrowIfAnythingMoved();
    }

    [Fact]
    public void Norms_without_tracking_use_the_batch_in_inference_mode_too()
    {
        using var network = nn.Sequential(("norm", nn.BatchNorm1d(3, track_running_stats: false)));
        network.eval();
        var mean = network.forward(randn(16, 3).add(full(1, 5f))).mean().Number();
        Assert.Equal(0, mean, 1e-4);

        var plan = new FreezePlan().Freeze("**").Preview(network);
        Assert.Contains(plan.Warnings, warning => warning.Contains("norm", StringComparison.Ordinal));
    }

    [Fact]
    public void The_root_is_missing_from_named_modules()
    {
        using var root = nn.BatchNorm1d(2);
        Assert.Empty(root.named_modules());
        Assert.Same(root, Assert.Single(ModuleTree.Of(root).Modules).Module);

        using var frozen = new FreezePlan().Freeze("**").Apply(root, allowRandom: true);
        root.train();
        Assert.False(root.training);
    }

    [Fact]
    public void A_computed_tensor_ignores_that_it_is_frozen()
    {
        using var network = new CallsForward();
        var computed = network.linear.weight!.exp();
        computed.requires_grad = false;
        Assert.True(computed.requires_grad);

        using var odd = new Parameter(network.linear.weight!.exp(), requires_grad: true);
        Assert.False(odd.is_leaf);
        network.register_parameter("odd", odd);
        var error = Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("odd").Apply(network, allowRandom: true));
        Assert.Contains("odd", error.Message);
    }

    [Fact]
    public void Load_state_dict_broadcasts_casts_and_stops_half_way_without_a_name()
    {
        using var plain = nn.Linear(3, 4);
        plain.load_state_dict(State(ones(1, 3, float64), zeros(4)));
        Assert.Equal(12, plain.weight!.sum().Number());
        var error = Assert.ThrowsAny<Exception>(() => plain.load_state_dict(State(full(4, 3, 7f), zeros(5))));
        Assert.DoesNotContain("bias", error.Message);
        Assert.Equal(84, plain.weight.sum().Number());
        error = Assert.ThrowsAny<Exception>(() => plain.load_state_dict(new Dictionary<string, Tensor> { ["weight"] = zeros(4, 3), ["bais"] = zeros(4) }));
        Assert.DoesNotContain("bais", error.Message);

        using var network = nn.Linear(3, 4);
        var before = network.weight!.detach().clone();
        AssertRefused("weight is [4, 3] in the network and [1, 3] in the file", ("weight", ones(1, 3)), ("bias", zeros(4)));
        AssertRefused("bias is [4] in the network and [5] in the file", ("weight", full(4, 3, 7f)), ("bias", zeros(5)));
        AssertRefused("bias", ("weight", zeros(4, 3)), ("bais", zeros(4)));
        Assert.True(before.Equals(network.weight));

        void AssertRefused(string message, params (string Name, Tensor Tensor)[] tensors)
        {
            using var file = Networks.Checkpoint(new Holder(tensors));
            var refusal = Assert.ThrowsAny<FrostlineException>(() => new InitializationPlan().Load("**", file).Apply(network, seed: 1));
            Assert.Contains(message, refusal.Message);
        }

        static Dictionary<string, Tensor> State(Tensor weight, Tensor bias) => new() { ["weight"] = weight, ["bias"] = bias };
    }

    [Fact]
    public void An_optimizer_made_before_a_move_steps_what_is_gone()
    {
        using var plain = nn.Linear(2, 2);
        using var optimizer = optim.SGD([.. plain.parameters()], 1);
        plain.to(float64);
        plain.forward(ones(1, 2, float64)).sum().backward();
        var before = plain.weight!.detach().clone();
        Record.Exception(() => optimizer.step());
        Assert.True(before.Equals(plain.weight), "the optimizer has found the new parameters");

        using var network = nn.Linear(2, 2);
        using var named = new NamedOptimizer(Optimizers.Sgd(1), [Group(network)]);
        network.to(float64);
        Assert.Contains("weight", Assert.Throws<FrostlineException>(() => named.Verify(network)).Message);
    }

    [Fact]
    public void A_query_given_to_an_optimizer_is_asked_anew_at_every_step()
    {
        using var plain = nn.Linear(2, 2);
        var asked = 0;
        using var optimizer = optim.AdamW(plain.parameters().Where(_ => ++asked > 0), lr: 0.1);
        var first = asked;
        plain.forward(ones(1, 2)).sum().backward();
        optimizer.step();
        Assert.True(asked > first, "the query is no longer asked at a step");

        using var network = nn.Linear(2, 2);
        asked = 0;
        using var named = new NamedOptimizer(Optimizers.AdamW(0.1), [Group(network, _ => ++asked > 0)]);
        first = asked;
        network.forward(ones(1, 2)).sum().backward();
        named.Step();
        Assert.Equal(first, asked);
    }

    [Fact]
    public void AdamW_decays_nothing_unless_told_and_PyTorchs_by_one_hundredth()
    {
        using var plain = new Parameter(ones(1)) { grad = zeros(1) };
        using (var optimizer = optim.AdamW([plain], lr: 0.1)) optimizer.step();
        Assert.Equal(1, plain.Number());

        using var parameter = new Parameter(ones(1, float64)) { grad = zeros(1, float64) };
        using (var named = new NamedOptimizer(Optimizers.AdamW(0.1), [new OptimizerGroup("1x", [new NamedParameter("w", parameter)])])) named.Step();
        Assert.Equal(0.999, parameter.Number(), 1e-12);
    }

    [Fact]
    public void A_parameter_given_twice_moves_twice()
    {
        using var twice = new Parameter(ones(1)) { grad = ones(1) };
        using (var optimizer = optim.SGD([twice, twice], 0.25)) optimizer.step();
        Assert.Equal(0.5, twice.Number(), 1e-6);

        NamedParameter[] names = [new("a", twice), new("b", twice)];
        Assert.Throws<FrostlineException>(() => new NamedOptimizer(Optimizers.Sgd(0.25), [new OptimizerGroup("1x", names)]));
    }

    [Fact]
    public void Schedules_have_no_state_and_break_when_a_group_is_added()
    {
        var members = typeof(optim.lr_scheduler.LRScheduler).GetMethods().Select(method => method.Name);
        Assert.DoesNotContain(members, name => name.Contains("state", StringComparison.OrdinalIgnoreCase));
        using var plain = nn.Linear(2, 2);
        using var optimizer = optim.SGD([plain.weight!], 0.1);
        var schedule = optim.lr_scheduler.LambdaLR(optimizer, epoch => 1.0 / (1 + epoch));
        optimizer.add_param_group(new SGD.ParamGroup([plain.bias!]));
        Assert.ThrowsAny<Exception>(schedule.step);

        // Here a schedule is a function of the step, and groups are rebuilt around state that is kept by name.
        using var network = nn.Linear(2, 2);
        using var before = new NamedOptimizer(Optimizers.Sgd(0.1, momentum: 0.9), [Group(network, name => name == "weight")]);
        network.forward(ones(1, 2)).sum().backward();
        before.Step();
        using var after = new NamedOptimizer(Optimizers.Sgd(0.1, momentum: 0.9), [Group(network)]);
        var report = after.Restore(before.State().ToDictionary(entry => entry.Name, entry => entry.Tensor));
        Assert.Equal(["weight"], report.Restored);
        Assert.Equal(["bias"], report.Fresh);
        after.LearningRate = 0.05;
        after.Step();
        Assert.Equal(0.05, Assert.Single(after.LearningRates).Value, 1e-12);
    }

    [Fact]
    public void Truncated_normal_is_a_constant_and_xavier_normal_is_uniform()
    {
        var plain = zeros(1000, 10);
        nn.init.trunc_normal_(plain);
        Assert.Equal(0, plain.std().Number());
        nn.init.xavier_normal_(plain);
        // The bound of the uniform distribution; of 10,000 normal draws of this deviation, 800 lie beyond it.
        Assert.True(plain.abs().max().Number() <= Math.Sqrt(6.0 / 1010));

        var truncated = Drawn(new TruncatedNormal(0, 1, -2, 2), 1);
        Assert.Equal(0.88, truncated.std().Number(), 0.02);
        var xavier = Drawn(Initializers.Create("xavier-normal"), 1);
        Assert.InRange(xavier.abs().gt(full(1, (float)Math.Sqrt(6.0 / 1010))).sum().Number(), 700, 1000);
    }

    [Fact]
    public void Draws_ignore_their_generator_and_depend_on_whatever_was_drawn_before()
    {
        Tensor first = zeros(5), second = zeros(5);
        using (var generator = new Generator(7)) nn.init.normal_(first, generator: generator);
        using (var generator = new Generator(7)) nn.init.normal_(second, generator: generator);
        Assert.False(first.Equals(second));

        var before = Drawn(Initializers.Create("normal"), 7);
        _ = randn(3);
        Assert.True(before.Equals(Drawn(Initializers.Create("normal"), 7)));
        Assert.False(before.Equals(Drawn(Initializers.Create("normal"), 8)));
    }

    [Fact]
    public void Tensors_of_an_optimizer_stepped_in_a_scope_outlive_it()
    {
        Parameter made;
        using (NewDisposeScope()) made = new Parameter(ones(1));
        Assert.True(made.IsInvalid);

        using var network = nn.Linear(2, 2);
        using var named = new NamedOptimizer(Optimizers.AdamW(), [Group(network)]);
        for (var i = 0; i < 2; i++)
        {
            using var scope = NewDisposeScope();
            network.forward(ones(1, 2)).sum().backward();
            named.Step();
        }

        Assert.All(named.State(), entry => Assert.False(entry.Tensor.IsInvalid));
    }

    private static OptimizerGroup Group(nn.Module network, Func<string, bool>? choose = null) =>
        new("1x", network.named_parameters().Where(pair => choose?.Invoke(pair.name) ?? true).Select(pair => new NamedParameter(pair.name, pair.parameter)).ToList());

    private static Tensor Drawn(Initializer initializer, long seed)
    {
        using var network = nn.Linear(10, 1000, hasBias: false);
        new InitializationPlan().Draw("weight", initializer).Apply(network, seed);
        return network.weight!.detach().clone();
    }

    private sealed class CallsForward : nn.Module<Tensor, Tensor>
    {
        internal readonly Linear linear = nn.Linear(3, 3);
        internal readonly BatchNorm1d norm = nn.BatchNorm1d(3);

        internal CallsForward()
            : base(nameof(CallsForward)) => RegisterComponents();

        public override Tensor forward(Tensor input) => norm.forward(linear.forward(input));
    }

    /// <summary>Any tensors under any names, to write into a file.</summary>
    private sealed class Holder : nn.Module
    {
        internal Holder(IEnumerable<(string Name, Tensor Tensor)> tensors)
            : base(nameof(Holder))
        {
            foreach (var (name, tensor) in tensors) register_buffer(name, tensor);
        }
    }
}
