using Frostline.Freezing;
using Frostline.Selection;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FreezePlanTests : IDisposable
{
    private readonly SmallNet _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void Without_a_rule_everything_is_trained()
    {
        var plan = new FreezePlan().Preview(_network);
        Assert.Equal(0, plan.FrozenParameters);
        Assert.Equal(_network.parameters().Sum(parameter => parameter.numel()), plan.TrainedParameters);
        Assert.All(plan.Tensors.Where(tensor => tensor.Kind == NodeKind.Parameter), tensor => Assert.Equal(TensorState.Trained, tensor.State));
        Assert.All(plan.Modules.Where(module => module.Norm is not null), module => Assert.Equal(NormPolicy.Move, module.Norm));
        Assert.All(plan.Modules.Where(module => module.Dropout is not null), module => Assert.True(module.Dropout));
    }

    [Fact]
    public void The_last_match_wins_for_each_of_the_three_things_apart()
    {
        var plan = new FreezePlan()
            .Freeze("**")
            .Train("stem", NormPolicy.Hold, learningRate: 0.1)
            .Dropout("stem.drop", active: false)
            .Train("head")
            .Norm("dict", NormPolicy.Move)
            .Preview(_network);

        Assert.Equal(TensorState.Trained, State(plan, "stem.bn.weight"));
        Assert.Equal(0.1, plan.Tensors.Single(tensor => tensor.Name == "stem.bn.weight").LearningRateMultiplier);
        Assert.Equal(TensorState.Frozen, State(plan, "stem.bn.running_mean"));
        Assert.False(Module(plan, "stem.drop").Dropout);
        Assert.Equal(TensorState.Frozen, State(plan, "dict.norm.weight"));
        Assert.Equal(TensorState.Moving, State(plan, "dict.norm.running_mean"));
        Assert.Equal(TensorState.Frozen, State(plan, "list.1.num_batches_tracked"));
        Assert.Equal(TensorState.Frozen, State(plan, "hidden"));
        Assert.Equal(ModuleState.Mixed, Module(plan, "stem").State);
        Assert.Equal(ModuleState.Frozen, Module(plan, "list").State);
        Assert.Equal(ModuleState.Trained, Module(plan, "head").State);
        Assert.Equal(ModuleState.Stateless, Module(plan, "stem.relu").State);
        Assert.Equal(plan.Parameters, plan.TrainedParameters + plan.FrozenParameters);
    }

    [Theory]
    [InlineData("stem.**")]
    [InlineData("stem")]
    [InlineData("!(list | dict | block | head)")]
    public void Equivalent_selectors_give_equal_plans(string selector)
    {
        var expected = new FreezePlan().Freeze("stem.bn").Freeze("stem.conv").Freeze("stem.drop").Preview(_network);
        var plan = new FreezePlan().Freeze(selector).Preview(_network);
        Assert.Equal(expected.Tensors.Where(tensor => tensor.Owner.Length > 0), plan.Tensors.Where(tensor => tensor.Owner.Length > 0));
    }

    [Fact]
    public void Rules_that_match_nothing_are_refused()
    {
        Assert.Contains("did you mean \"stem.bn\"", Assert.Throws<SelectionException>(() => new FreezePlan().Freeze("stem.bm").Preview(_network)).Message);
        Assert.Contains("no norm", Assert.Throws<FreezeException>(() => new FreezePlan().Norm("head", NormPolicy.Hold).Preview(_network)).Message);
        Assert.Contains("no dropout", Assert.Throws<FreezeException>(() => new FreezePlan().Dropout("head", false).Preview(_network)).Message);
        Assert.Contains("no parameter", Assert.Throws<FreezeException>(() => new FreezePlan().Parameters("stem.drop", false).Preview(_network)).Message);
        Assert.Contains("nothing that can be frozen", Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("stem.relu").Preview(_network)).Message);
    }

    [Fact]
    public void A_rule_whose_every_effect_is_overridden_is_refused_and_one_with_a_remaining_effect_is_not()
    {
        Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("stem").Freeze("stem").Preview(_network));
        var exception = Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("head").Train("**", learningRate: 0.5).Preview(_network));
        Assert.Contains("the rule freeze \"head\" has no effect", exception.Message);

        // Its parameters are overridden, its statistics are not.
        new FreezePlan().Freeze("list.1").Parameters("**", trained: true).Preview(_network);
    }

    [Fact]
    public void Multipliers_have_to_be_above_zero()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().Train("head", learningRate: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().Train("head", learningRate: double.NaN));
        Assert.Throws<SelectionException>(() => new FreezePlan().Train("head |"));
    }

    [Fact]
    public void A_tied_parameter_cannot_be_frozen_under_one_name_and_trained_under_another()
    {
        using var tied = new TiedNet();
        var exception = Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("encoder").Preview(tied));
        Assert.Equal("\"encoder.weight\" is frozen and \"decoder.weight\" is trained, but they are one tied parameter; name both in one rule", exception.Message);
        Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("decoder").Preview(tied));
        Assert.Throws<FreezeException>(() => new FreezePlan().Train("decoder", learningRate: 0.1).Preview(tied));

        var plan = new FreezePlan().Freeze("encoder | decoder").Preview(tied);
        Assert.Equal(9 + 3 + 3, plan.FrozenParameters);
        Assert.Equal(plan.Parameters, tied.parameters().Sum(parameter => parameter.numel()));
    }

    [Fact]
    public void A_shared_module_cannot_be_held_under_one_name_and_move_under_another()
    {
        using var norm = nn.BatchNorm1d(2, affine: false);
        using var shared = nn.Sequential(("a", norm), ("b", norm));
        Assert.Contains("one module", Assert.Throws<FreezeException>(() => new FreezePlan().Norm("a", NormPolicy.Hold).Preview(shared)).Message);
        Assert.Equal(NormPolicy.Hold, new FreezePlan().Norm("a | b", NormPolicy.Hold).Preview(shared).Modules[1].Norm);
    }

    [Fact]
    public void Norms_without_statistics_have_only_parameters()
    {
        using var network = nn.Sequential(
            ("group", nn.GroupNorm(1, 2)), ("layer", nn.LayerNorm(2)), ("instance", nn.InstanceNorm1d(2)), ("tracking", nn.InstanceNorm1d(2, track_running_stats: true)),
            ("batch", nn.BatchNorm1d(2, track_running_stats: false)), ("bare", nn.BatchNorm1d(2, affine: false)));
        var plan = new FreezePlan().Freeze("**").Preview(network);

        Assert.Equal(["tracking", "bare"], plan.Modules.Where(module => module.Norm is not null).Select(module => module.Name));
        Assert.Throws<FreezeException>(() => new FreezePlan().Norm("group | layer | instance | batch", NormPolicy.Hold).Preview(network));

        // Frozen or not, it normalises by the batch: no function of the sample.
        Assert.Equal(ModuleState.Irregular, Module(plan, "batch").State);
        Assert.Contains("tracks no running statistics", Module(plan, "batch").Reason);
        Assert.Contains(plan.Warnings, warning => warning.Contains("batch", StringComparison.Ordinal));
    }

    [Fact]
    public void Parameters_alone_leave_drifting_statistics_and_the_plan_warns()
    {
        var plan = new FreezePlan().Parameters("stem | list | dict | block", trained: false).Preview(_network);
        Assert.Equal(TensorState.Drifting, State(plan, "stem.bn.running_mean"));
        Assert.Equal(ModuleState.Irregular, Module(plan, "stem.bn").State);
        Assert.Contains(plan.Warnings, warning => warning.StartsWith("running statistics will drift", StringComparison.Ordinal));

        // A selector that reaches parameters only is the same mistake.
        Assert.Equal(TensorState.Drifting, State(new FreezePlan().Freeze("**.weight | **.bias").Preview(_network), "stem.bn.running_mean"));
        // Said outright, it is a decision.
        Assert.Equal(TensorState.Moving, State(new FreezePlan().Freeze("stem", NormPolicy.Move).Preview(_network), "stem.bn.running_mean"));
        // A norm without parameters of its own, among frozen ones.
        using var bare = nn.Sequential(("conv", nn.Conv1d(1, 1, 1)), ("bn", nn.BatchNorm1d(1, affine: false)));
        Assert.Equal(TensorState.Drifting, State(new FreezePlan().Parameters("**", trained: false).Preview(bare), "bn.running_var"));
    }

    [Fact]
    public void The_table_adds_up_and_shows_what_differs()
    {
        var text = new FreezePlan().Freeze("**").Train("head", learningRate: 0.1).Train("stem.bn", NormPolicy.Hold).Preview(_network).Describe();
        Assert.Contains("frost line: none: the network does not show its stages", text, StringComparison.Ordinal);
        var rows = text[..text.IndexOf("frost line:", StringComparison.Ordinal)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)
            .Select(line => line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).ToList();

        Assert.Equal(["(root) (itself)", "stem.conv", "stem.bn", "stem.drop", "list", "dict", "block", "head", "total"], rows.Select(row => row[0]));
        Assert.Equal(Number(rows[^1][1]), rows[..^1].Sum(row => Number(row[3])));
        Assert.Equal(Number(rows[^1][2]), rows[..^1].Sum(row => Number(row[4])));
        Assert.Equal(Number(rows[^1][3]), rows[..^1].Sum(row => Number(row[5])));
        Assert.Equal("0.1x", rows.Single(row => row[0] == "head")[^1]);
        Assert.Contains("mixed", rows.Single(row => row[0] == "stem.bn"));

        static long Number(string cell) => long.Parse(cell, System.Globalization.NumberStyles.AllowThousands, System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public void A_root_that_is_itself_a_norm_can_be_planned()
    {
        using var norm = nn.BatchNorm2d(3);
        var plan = new FreezePlan().Train("**", NormPolicy.Hold).Preview(norm);
        Assert.Equal(ModuleState.Mixed, plan.Modules.Single().State);
        Assert.Equal(3, plan.FrozenTensors);
        Assert.Contains("(root)", plan.Describe());
    }

    [Fact]
    public void Integer_parameters_are_never_trained()
    {
        using var network = nn.Sequential(("a", nn.Linear(2, 2)));
        network.children().First().register_parameter("table", new Parameter(zeros(3, ScalarType.Int64), requires_grad: false));
        Assert.Equal(TensorState.Frozen, State(new FreezePlan().Preview(network), "a.table"));
        Assert.Contains("has no gradient", Assert.Throws<FreezeException>(() => new FreezePlan().Train("a").Preview(network)).Message);
        new FreezePlan().Train("a & !a.table").Apply(network, allowRandom: true).Dispose();
    }

    private static TensorState State(PlanStatus plan, string name) => plan.Tensors.Single(tensor => tensor.Name == name).State;

    private static ModuleStatus Module(PlanStatus plan, string name) => plan.Modules.Single(module => module.Name == name);

    private sealed class TiedNet : nn.Module<Tensor, Tensor>
    {
        private readonly Linear encoder = nn.Linear(3, 3);
        private readonly Linear decoder = nn.Linear(3, 3);

        internal TiedNet()
            : base(nameof(TiedNet))
        {
            decoder.weight = encoder.weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => decoder.forward(encoder.forward(input));
    }
}
