using Frostline.Freezing;
using Frostline.Selection;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class PlanPhasesTests : IDisposable
{
    private readonly SmallNet _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void Rules_join_at_their_epoch_in_their_place()
    {
        var plan = new FreezePlan().Freeze("!head").FromEpoch(3).Train("block", NormPolicy.Hold, learningRate: 0.1).FromEpoch(5).Train("dict");
        Assert.Equal([0, 3, 5], plan.PhaseEpochs);
        Assert.True(plan.HasPhases);
        Assert.Equal(["freeze \"!head\""], plan.At(2).Rules);
        Assert.Equal(["freeze \"!head\"", "train \"block\", norm hold, learning rate 0.1x, after 3 epochs"], plan.At(4).Rules);
        Assert.Equal(3, plan.At(99).Rules.Count);

        Assert.Equal(["head"], TrainedOwners(plan.At(0)));
        Assert.Equal(["block.bn", "block.conv", "head"], TrainedOwners(plan.At(3)));
        Assert.Equal(["block.bn", "block.conv", "dict.norm", "head"], TrainedOwners(plan.At(5)));
        // A plan is applied in its first phase.
        Assert.Equal(["head"], TrainedOwners(plan));
    }

    [Fact]
    public void A_plateau_counts_beside_epochs()
    {
        var plan = new FreezePlan().Freeze("!head").FromPlateau(1).Train("block").FromEpoch(4).Train("dict").FromPlateau(2).Train("list");
        Assert.Equal(2, plan.Plateaus);
        Assert.Equal(["head"], TrainedOwners(plan.At(3)));
        Assert.Equal(["block.bn", "block.conv", "head"], TrainedOwners(plan.At(3, 1)));
        Assert.Equal(["dict.norm", "head"], TrainedOwners(plan.At(4)));
        Assert.Equal(["block.bn", "block.conv", "dict.norm", "head", "list.0", "list.1"], TrainedOwners(plan.At(4, 2)));
        Assert.Equal([(0, 0), (4, 0), (4, 1), (4, 2)], plan.PreviewPhases(_network).Select(phase => (phase.Epoch, phase.Plateaus)));
    }

    [Fact]
    public void A_rule_that_a_later_phase_overrides_has_an_effect_and_one_that_none_lets_through_has_not()
    {
        new FreezePlan().Freeze("!head").FromEpoch(2).Train("**").Apply(_network, allowRandom: true).Dispose();
        Assert.Contains("after 2 epochs has no effect", Assert.Throws<FreezeException>(
            () => new FreezePlan().FromEpoch(2).Train("block").FromEpoch(0).Freeze("!head").Apply(_network, allowRandom: true)).Message);
    }

    [Fact]
    public void A_mistake_in_a_late_phase_is_found_before_training()
    {
        var unknown = new FreezePlan().Freeze("!head").FromEpoch(30).Train("blok");
        Assert.Contains("block", Assert.Throws<SelectionException>(() => unknown.Apply(_network, allowRandom: true)).Message);
        var silent = new FreezePlan().Freeze("!head").FromPlateau(3).Dropout("dict", active: false);
        Assert.Contains("no dropout", Assert.Throws<FreezeException>(() => silent.Preview(_network)).Message);
        Assert.True(_network.stem.parameters().First().requires_grad);
    }

    [Fact]
    public void Gradual_unfreezing_thaws_from_above_with_falling_rates()
    {
        var plan = new FreezePlan().Freeze("!head").UnfreezeGradually(["block", "dict", "list | stem"], fromEpoch: 2, every: 3, decay: 2.6, warmUp: 0.5);
        Assert.Equal([0, 2, 5, 8], plan.PhaseEpochs);
        Assert.Equal(["head"], TrainedOwners(plan.At(1)));
        Assert.Equal(["block.bn", "block.conv", "head"], TrainedOwners(plan.At(4)));
        Dictionary<string, TrainedParameter> rates;
        using (var frozen = plan.At(8).Apply(_network, allowRandom: true)) rates = frozen.Trained.ToDictionary(parameter => parameter.Name);
        Assert.Equal([1, 1 / 2.6, 1 / 2.6 / 2.6, Math.Pow(2.6, -3)],
            new[] { "head.bias", "block.conv.bias", "dict.norm.bias", "stem.conv.bias" }.Select(name => rates[name].LearningRateMultiplier),
            (one, other) => Math.Abs(one - other) < 1e-15);
        Assert.Equal((0.5, 0d), (rates["stem.conv.bias"].WarmUp, rates["head.bias"].WarmUp));

        var waiting = new FreezePlan().Freeze("!head").UnfreezeAtPlateaus(["block", "dict"]);
        Assert.Equal(["block.bn", "block.conv", "head"], TrainedOwners(waiting.At(50, 1)));
        Assert.Equal(["block.bn", "block.conv", "dict.norm", "head"], TrainedOwners(waiting.At(0, 2)));
    }

    [Fact]
    public void Progressive_freezing_goes_up_from_below_by_the_papers_shares()
    {
        // t_i between t_0 and 1, of which the rest of the network has the last.
        var even = new ProgressiveFreezing(["stem", "list", "dict", "block"], epochs: 20, first: 0.6, cubed: false);
        Assert.Equal([0.6, 0.7, 0.8, 0.9], Enumerable.Range(0, 4).Select(even.ShareOf), (one, other) => Math.Abs(one - other) < 1e-12);
        Assert.Equal([12, 14, 16, 18], Enumerable.Range(0, 4).Select(even.EndOf));
        var cubed = new ProgressiveFreezing(["stem", "list", "dict", "block"], epochs: 20, first: 0.6);
        Assert.Equal([5, 7, 11, 15], Enumerable.Range(0, 4).Select(cubed.EndOf));

        var plan = new FreezePlan().FreezeProgressively(even);
        Assert.Equal(8, TrainedOwners(plan.At(0)).Count);
        Assert.Equal(["block.bn", "block.conv", "dict.norm", "head"], TrainedOwners(plan.At(14)));
        Assert.Equal(["head"], TrainedOwners(plan.At(19)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProgressiveFreezing(["a"], 10, first: 0));
        Assert.Throws<ArgumentException>(() => new ProgressiveFreezing([], 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => even.EndOf(4));
    }

    [Fact]
    public void What_an_earlier_phase_trains_is_in_no_doubt_later()
    {
        var phases = new FreezePlan().Freeze("stem").FromEpoch(2).Freeze("block").PreviewPhases(_network);
        Assert.All(phases[0].Status.Doubts, doubt => Assert.StartsWith("stem.", doubt.Name));
        Assert.NotEmpty(phases[0].Status.Doubts);
        Assert.DoesNotContain(phases[1].Status.Doubts, doubt => doubt.Name.StartsWith("block", StringComparison.Ordinal));
    }

    [Fact]
    public void Numbers_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().FromEpoch(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().FromPlateau(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().At(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().Train("a", warmUp: double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().UnfreezeGradually(["a"], decay: 0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FreezePlan().UnfreezeGradually(["a"], every: 0));
    }

    private List<string> TrainedOwners(FreezePlan plan)
    {
        using var frozen = plan.Apply(_network, allowRandom: true);
        return [.. frozen.Trained.Select(parameter => parameter.Name[..parameter.Name.LastIndexOf('.')]).Distinct().Order(StringComparer.Ordinal)];
    }
}
