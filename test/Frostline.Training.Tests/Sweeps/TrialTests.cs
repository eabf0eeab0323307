using Frostline.Modules;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Frostline.Training.Sweeps;
using Frostline.Training.Tests.Jobs;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Sweeps;

/// <summary>Trials that are trained together are what trainings by themselves are.</summary>
[Collection("libtorch")]
public sealed class TrialTests : IDisposable
{
    /// <summary>A recipe with everything that happens in a step, and a head that is not one linear layer.</summary>
    private const string Text =
        """
        version: 1
        seed: 11
        threads: 1
        model: { name: staged-points, dropout: 0.3 }
        initialize:
          - draw: "**"
            scheme: pytorch
        allow-random: true
        freeze:
          - freeze: "body"
          - { train: "head", learning-rate: 0.5x, warm-up: 1 }
        data:
          train: { name: points, count: 45 }
          validate: { name: points, count: 30, draw: 9 }
        train:
          epochs: 4
          batch-size: 8
          accumulate: 2
          clip-gradient-norm: 0.5
          ema: 0.9
          schedule: cosine
          decay-norm-and-bias: false
          optimizer: { name: adamw, learning-rate: 0.1, weight-decay: 1e-2 }
        """;

    /// <summary>The same with a head of one linear layer, and without what spreads differences in the last digit.</summary>
    private static string Stackable { get; } = Text.Replace("dropout: 0.3", "dropout: 0", StringComparison.Ordinal)
        .Replace("{ name: adamw, learning-rate: 0.1, weight-decay: 1e-2 }", "{ name: sgd, learning-rate: 0.1, momentum: 0.9 }", StringComparison.Ordinal);

    private readonly RecipeBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Side_by_side_each_trial_has_the_bits_of_a_training_by_itself()
    {
        var recipe = _bench.Parse(Text);
        var plans = Plans(recipe, "learning-rate=0.1,0.02", "train.batch-size=8,5");
        using var trials = Trained(plans);
        Assert.Equal(2, trials.Groups.Count);
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 0);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(2, 8)]
    [InlineData(3, 7)]
    public void Stacked_each_trial_is_a_training_by_itself_but_for_the_order_of_sums(int accumulate, int batch)
    {
        var recipe = _bench.Parse(Stackable, $"train.accumulate={accumulate}", $"train.batch-size={batch}");
        using var trials = Trained(Plans(recipe, "learning-rate=0.1,0.02", "weight-decay=0,1e-2"));
        Assert.Equal(4, trials.Groups.Single().Stacked);
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 1e-6);
    }

    [Theory]
    [InlineData("head.bias")]
    [InlineData("head.weight")]
    public void Stacked_heads_leave_a_frozen_weight_or_bias_alone(string frozen)
    {
        using var trials = Trained(Plans(_bench.Parse(Stackable, $"freeze[2].freeze={frozen}"), "learning-rate=0.1,0.02"));
        Assert.Equal(2, trials.Groups.Single().Stacked);
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 1e-6);
    }

    [Fact]
    public void Stacked_trials_end_and_diverge_each_by_itself()
    {
        var recipe = _bench.Parse(Stackable, "train.epochs=12", "train.early-stopping=2", "best=loss", "train.clip-gradient-norm=1e9");
        using var trials = Trained(Plans(recipe, "learning-rate=0.1,3e38,1e-9,0.01"));
        Assert.Equal(4, trials.Groups.Single().Stacked);
        Assert.Equal([2], trials.Trials.Where(trial => trial.Divergence is not null).Select(trial => trial.Plan.Number));
        var others = trials.Trials.Where(trial => trial.Divergence is null).ToList();
        foreach (var trial in others) AssertSame(trial, tolerance: 1e-6);
        Assert.True(others.Select(trial => trial.Course.State.Epochs.Count).Distinct().Count() > 1);
    }

    [Fact]
    public void Heads_of_other_kinds_are_not_stacked()
    {
        using (var dropout = Trained(Plans(_bench.Parse(Text), "learning-rate=0.1,0.02"))) Assert.Equal(0, dropout.Groups.Single().Stacked);
        using (var one = Trained(Plans(_bench.Parse(Stackable), "learning-rate=0.1"))) Assert.Equal(0, one.Groups.Single().Stacked);
        using var mixed = Trained(Plans(_bench.Parse(Stackable), "model.dropout=0,0.5"));
        Assert.Equal(0, mixed.Groups.Single().Stacked);
        foreach (var trial in mixed.Trials) AssertSame(trial, tolerance: 0);
    }

    [Fact]
    public void Trials_of_other_seeds_differ_and_each_is_the_training_with_its_seed()
    {
        // Other first values below the frost line would be another frozen part.
        var recipe = _bench.Parse(Text.Replace("  - draw: \"**\"", "  - set: \"body\"\n    value: 0.1\n  - draw: \"head\"", StringComparison.Ordinal));
        using var trials = Trained(Plans(recipe, "seed=1,2"));
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 0);
        var losses = trials.Trials.Select(trial => trial.Course.State.Epochs[^1].Loss).ToList();
        Assert.NotEqual(losses[0], losses[1]);
    }

    [Fact]
    public void Trials_end_early_each_by_itself()
    {
        var recipe = _bench.Parse(Text, "train.epochs=12", "train.early-stopping=2", "best=loss");
        using var trials = Trained(Plans(recipe, "learning-rate=0.1,1e-9,0.5"));
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 0);
        Assert.True(trials.Trials.Select(trial => trial.Course.State.Epochs.Count).Distinct().Count() > 1);
        Assert.Contains(trials.Trials, trial => trial.Course.State.Ended == RunEnd.StoppedEarly);
    }

    [Fact]
    public void The_frozen_part_lies_in_memory_once()
    {
        using var trials = Trained(Plans(_bench.Parse(Text), "learning-rate=0.1,0.02"));
        Assert.Single(trials.Trials.Select(trial => Address(trial, "body.weight")).Distinct());
        Assert.Equal(2, trials.Trials.Select(trial => Address(trial, "head.weight")).Distinct().Count());
    }

    [Fact]
    public void Trials_with_mixup_share_mixed_batches()
    {
        using var trials = Trained(Plans(_bench.Parse(Text, "train.mixup=0.4"), "learning-rate=0.1,0.02"));
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 0);
        // Four epochs of 45 samples and 30 to validate on, once for both.
        Assert.Equal(4 * 75, trials.Groups.Sum(group => group.PrefixRows));
    }

    [Fact]
    public void Trials_with_other_augmentation_of_features_have_batches_of_their_own()
    {
        using var trials = Trained(Plans(_bench.Parse(Text), "train.feature-mixup=0.4,~", "train.feature-brightness=0.1,0.2"));
        Assert.Equal(4, trials.Groups.Count);
        foreach (var trial in trials.Trials) AssertSame(trial, tolerance: 0);
    }

    private static long Address(Trial trial, string name)
    {
        var tensor = ModuleTree.Of(trial.Runner.Network).Find(name)!.Tensor;
        return TensorMemory(tensor);
    }

    private static unsafe long TensorMemory(torch.Tensor tensor)
    {
        using var detached = tensor.detach();
        var bytes = detached.bytes;
        fixed (byte* address = bytes) return (long)address;
    }

    private static IReadOnlyList<TrialPlan> Plans(Recipe recipe, params string[] grid) => SweepGrid.Of(recipe, grid).Trials(recipe);

    private static TrialSet Trained(IReadOnlyList<TrialPlan> plans)
    {
        var trials = TrialSet.Create(plans, threads: null, new Silent());
        Assert.True(trials.Run(new Silent(), CancellationToken.None));
        return trials;
    }

    /// <summary>Trains the trial's recipe by itself and compares all epochs and the last weights.</summary>
    private void AssertSame(Trial trial, double tolerance)
    {
        var folder = $"single-{trial.Plan.Number}";
        var single = _bench.Train(trial.Plan.Recipe, folder).Summary;
        var state = trial.Course.State;
        Assert.Equal((single.Ended, single.Best!.Epoch, single.Epochs.Count), (state.Ended!.Value, state.Best!.Epoch, state.Epochs.Count));
        foreach (var (epoch, expected) in state.Epochs.Zip(single.Epochs))
        {
            Assert.Equal(expected.LearningRates, epoch.LearningRates);
            AssertClose(expected.Loss, epoch.Loss, tolerance);
            foreach (var (name, value) in expected.Metrics) AssertClose(value, epoch.Metrics[name], tolerance);
        }

        using var scope = torch.NewDisposeScope();
        using var checkpoint = TrainingCheckpoint.Open(_bench.Folder(folder).Last);
        var weights = checkpoint.Read(TrainingCheckpoint.Model);
        foreach (var entry in ModuleTree.Of(trial.Runner.Network).DistinctTensors)
        {
            var expected = weights[entry.Name];
            if (tolerance == 0) Assert.True(expected.Equals(entry.Tensor), entry.Name);
            else Assert.InRange((entry.Tensor.detach() - expected).norm().item<float>() / expected.norm().item<float>(), 0, tolerance);
        }
    }

    private static void AssertClose(double expected, double value, double tolerance)
    {
        if (tolerance == 0) Assert.Equal(expected, value);
        else Assert.Equal(expected, value, tolerance * Math.Max(1, Math.Abs(expected)));
    }

    private sealed class Silent : ITrainingObserver;
}
