using Frostline.Freezing;
using Frostline.Optimization;
using Frostline.Selection;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Tests.Freezing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Optimization;

[Collection(LibTorchCollection.Name)]
public sealed class ParameterGroupsTests : IDisposable
{
    private readonly SmallNet _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void The_last_match_wins_for_each_thing_and_multiplies_the_plans_factor()
    {
        using var frozen = new FreezePlan().Freeze("stem").Train("block", learningRate: 0.5).Apply(_network, allowRandom: true);
        var groups = new ParameterGroups()
            .For("**", weightDecay: 0.3)
            .For("block | stem", learningRate: 0.1)
            .For("**.bias", weightDecay: 0);
        using var optimizer = frozen.Optimizer(Optimizers.AdamW(1e-2), groups);
        Assert.Equal((0.05, 0.3), Of(optimizer, "block.conv.weight"));
        Assert.Equal((0.05, 0d), Of(optimizer, "block.conv.bias"));
        Assert.Equal((1d, 0.3), Of(optimizer, "head.weight"));
        Assert.DoesNotContain(optimizer.Parameters, parameter => parameter.Name.StartsWith("stem", StringComparison.Ordinal));
        Assert.Equal(4, optimizer.Groups.Count);
        Assert.Equal(4, optimizer.LearningRates.Count);
        Assert.Equal(5e-4, optimizer.LearningRates["0.05x, decay 0.3"], 12);
        // A group whose parameters are frozen comes into play when they thaw.
        frozen.Update(new FreezePlan().Train("**"));
        Assert.Equal((0.1, 0.3), Of(optimizer, "stem.conv.weight"));
    }

    [Fact]
    public void Norms_and_biases_may_have_no_weight_decay()
    {
        using var frozen = new FreezePlan().Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(Optimizers.AdamW(1e-2), new ParameterGroups().NoDecayOnNormAndBias());
        var spared = optimizer.Groups.Where(group => group.WeightDecay == 0).SelectMany(group => group.Parameters).Select(parameter => parameter.Name).ToList();
        Assert.Equal(_network.named_parameters().Where(pair => pair.parameter.dim() <= 1).Select(pair => pair.name).Order(), spared.Order());
        Assert.Contains("block.bn.weight", spared);
        Assert.Contains("head.bias", spared);
        Assert.Null(Of(optimizer, "head.weight").Decay);

        // What the decay does: a weight without gradient signal shrinks, a norm's does not.
        using var before = _network.StemNorm.weight!.detach().clone();
        foreach (var (_, parameter) in optimizer.Parameters) parameter.grad = zeros_like(parameter);
        using var conv = _network.StemConv.weight!.detach().clone();
        optimizer.Step();
        Assert.True(before.Equals(_network.StemNorm.weight!));
        Assert.False(conv.Equals(_network.StemConv.weight!));
    }

    [Fact]
    public void Rates_fall_from_stage_to_stage_whatever_is_frozen()
    {
        using var staged = new Staged();
        using var frozen = new FreezePlan().Freeze("low").Apply(staged, allowRandom: true);
        using var optimizer = frozen.Optimizer(Optimizers.Sgd(1), new ParameterGroups().LayerDecay(0.5));
        Assert.Equal(0.5, Of(optimizer, "middle.weight").Multiplier);
        Assert.Equal(1, Of(optimizer, "head.weight").Multiplier);
        frozen.Update(new FreezePlan());
        Assert.Equal(0.25, Of(optimizer, "low.weight").Multiplier);

        using var plain = new FreezePlan().Apply(_network, allowRandom: true);
        var error = Assert.Throws<FrostlineException>(() => plain.Optimizer(Optimizers.Sgd(1), new ParameterGroups().LayerDecay(0.5)));
        Assert.Contains("goes by stages, and the network has none", error.Message);
    }

    [Fact]
    public void A_group_may_have_a_schedule_of_its_own_and_a_warm_up_since_it_joined()
    {
        var plan = new FreezePlan().Freeze("stem").FromEpoch(2).Train("stem", learningRate: 0.5, warmUp: 2);
        using var frozen = plan.Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(Optimizers.Sgd(0.1), new ParameterGroups().For("head", schedule: new CosineSchedule { Until = 2 }));
        optimizer.SetLearningRates(new ConstantSchedule(), At(10));
        Assert.Equal(0.1, optimizer.LearningRates["1x"], 12);
        Assert.Equal(0.05, optimizer.LearningRates["1x, cosine until 2"], 12);
        frozen.Update(plan.At(2), epoch: 2);
        // Ten steps an epoch: the warm-up has 20, of which the first is step 20.
        foreach (var (step, warmth) in new[] { (20L, 0.05), (29L, 0.5), (39L, 1), (45L, 1) })
        {
            optimizer.SetLearningRates(new ConstantSchedule(), At(step));
            Assert.Equal(0.1 * 0.5 * warmth, optimizer.LearningRates["0.5x"], 12);
            Assert.Equal(0, optimizer.LearningRates["1x, cosine until 2"], 12);
        }

        // The rates are what a step uses.
        optimizer.SetLearningRates(new ConstantSchedule(), At(20));
        using var before = _network.StemConv.bias!.detach().clone();
        optimizer.ZeroGrad();
        _network.StemConv.bias!.grad = ones_like(before);
        optimizer.Step();
        using var moved = before - _network.StemConv.bias!.detach();
        Assert.All(moved.data<float>().ToArray(), value => Assert.Equal(0.1 * 0.5 * 0.05, value, 6));

        static SchedulePosition At(long step) => new(step, 10, 5);
    }

    [Fact]
    public void Progressive_freezing_anneals_each_part_until_its_end()
    {
        var freezing = new ProgressiveFreezing(["stem", "block"], epochs: 8, first: 0.5, cubed: false);
        using var frozen = new FreezePlan().FreezeProgressively(freezing).Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(Optimizers.Sgd(0.1), new ParameterGroups().Anneal(freezing));
        optimizer.SetLearningRates(new ConstantSchedule(), new SchedulePosition(0, 10, 8));
        Assert.Equal([0.2, 0.1 * 8 / 6, 0.1], Rates("stem.conv.weight", "block.conv.weight", "head.weight"), (one, other) => Math.Abs(one - other) < 1e-12);
        optimizer.SetLearningRates(new ConstantSchedule(), new SchedulePosition(20, 10, 8));
        Assert.Equal([0.1, 0.1 * 8 / 6 * 0.75, 0.1], Rates("stem.conv.weight", "block.conv.weight", "head.weight"), (one, other) => Math.Abs(one - other) < 1e-12);

        IEnumerable<double> Rates(params string[] names) =>
            names.Select(name => optimizer.LearningRates[optimizer.Groups.Single(group => group.Parameters.Any(parameter => parameter.Name == name)).Name]);
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        using var frozen = new FreezePlan().Apply(_network, allowRandom: true);
        Assert.Contains("blok", Assert.Throws<SelectionException>(() => frozen.Optimizer(Optimizers.Sgd(1), new ParameterGroups().For("blok", learningRate: 2))).Message);
        Assert.Contains("no parameter", Assert.Throws<FrostlineException>(() => frozen.Optimizer(Optimizers.Sgd(1), new ParameterGroups().For("scale", learningRate: 2))).Message);
        Assert.Contains("follows \"loss\"", Assert.Throws<FrostlineException>(() => new ParameterGroups().For("a", schedule: new PlateauSchedule())).Message);
        Assert.Throws<ArgumentException>(() => new ParameterGroups().For("a"));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParameterGroups().For("a", learningRate: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParameterGroups().For("a", weightDecay: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParameterGroups().LayerDecay(1.5));
    }

    [Fact]
    public void Groups_that_only_numbers_of_a_schedule_tell_apart_keep_their_own_names()
    {
        using var frozen = new FreezePlan().Freeze("!(head | block)").Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(
            Optimizers.Sgd(1), new ParameterGroups().For("head", schedule: new StepSchedule { Every = 1 }).For("block", schedule: new StepSchedule { Every = 2 }));
        Assert.Equal(["1x, step", "1x, step (2)"], optimizer.Groups.Select(group => group.Name));
    }

    private static (double Multiplier, double? Decay) Of(NamedOptimizer optimizer, string name)
    {
        var group = optimizer.Groups.Single(candidate => candidate.Parameters.Any(parameter => parameter.Name == name));
        return (Math.Round(group.Multiplier, 12), group.WeightDecay);
    }

    private sealed class Staged : nn.Module<Tensor, Tensor>, IStagedNetwork
    {
        private readonly Linear low = nn.Linear(2, 2), middle = nn.Linear(2, 2), head = nn.Linear(2, 2);

        internal Staged()
            : base(nameof(Staged))
        {
            RegisterComponents();
            Stages =
            [
                Stage.FromFunction("low", "image", [low], low.call),
                Stage.FromFunction("middle", "low", [middle], middle.call),
                Stage.FromFunction("head", "middle", [head], head.call, write: "logits"),
            ];
        }

        public IReadOnlyList<Stage> Stages { get; }

        public IReadOnlyList<string> Inputs => ["image"];

        public IReadOnlyList<string> Outputs => ["logits"];

        public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
    }
}
