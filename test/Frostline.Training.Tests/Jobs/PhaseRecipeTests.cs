using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class PhaseRecipeTests : IDisposable
{
    private readonly RecipeBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void LinearProbingThenFineTuning()
    {
        var summary = Train(
            """
              - freeze: "!head"
              - { from-epoch: 2, train: "!head", learning-rate: 0.1x, warm-up: 1 }
            """).Summary;
        Assert.Equal([(1, 27L), (3, 99L)], summary.Phases.Select(phase => (phase.Epoch, phase.Trainable)));
        Assert.Equal([1, 1, 2, 2], summary.Epochs.Select(epoch => epoch.LearningRates.Count));
        // Three steps of six of the warm-up are over; six, and it is done.
        Assert.Equal(0.01, summary.Epochs[2].LearningRates["0.1x"], 12);
        Assert.Equal(0, summary.Audit.Moved);
        // What the second phase trains is trained, the rest of its provenance stays.
        using var model = Checkpoint.Open(_bench.Folder().Model);
        Assert.True(summary.Best!.Epoch < 3 || ModelFile.ProvenanceOf(model)!.Find("body.weight")!.Trained);
        Assert.Contains("the plan from epoch 3 on, after 2 epochs: 99 parameters trained, 0 frozen, frost line none; 4 tensors thawed, 0 froze", File.ReadAllText(_bench.Folder().Log), StringComparison.Ordinal);
    }

    [Fact]
    public void PartsThawOneAfterTheOther()
    {
        var summary = Train(
            """
              - freeze: "!head"
              - { unfreeze: [norm, body], decay: 2, norm: hold }
            """).Summary;
        Assert.Equal([(1, 27L), (2, 43L), (3, 99L)], summary.Phases.Select(phase => (phase.Epoch, phase.Trainable)));
        Assert.Equal(["0.25x", "0.5x", "1x"], summary.Epochs[3].LearningRates.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(0, summary.Audit.Moved);
        using var model = Checkpoint.Open(_bench.Folder().Last);
        // norm: hold is kept in every phase.
        Assert.All(Floats(model.Read("model.norm.running_mean")), value => Assert.Equal(0, value));
    }

    [Fact]
    public void PartsThawAtPlateaus()
    {
        var summary = Train("  - freeze: \"!head\"\n  - { unfreeze: [norm, body], from-plateau: 1 }", "train.plateau={ patience: 1, metric: loss, minimum-change: 100 }").Summary;
        // No epoch is better by 100: the first is the best, and every later one is a plateau.
        Assert.Equal([(1, 27L), (3, 43L), (4, 99L)], summary.Phases.Select(phase => (phase.Epoch, phase.Trainable)));
    }

    [Fact]
    public void PartsAreFrozenFromBelowAndTheirRatesFallUntilThen()
    {
        var summary = Train("  - { freeze-progressively: [body, norm], cubed: false }").Summary;
        Assert.Equal([(1, 99L), (3, 43L), (4, 27L)], summary.Phases.Select(phase => (phase.Epoch, phase.Trainable)));
        Assert.Equal(0, summary.Audit.Moved);
        var body = summary.Epochs.Take(2).Select(epoch => epoch.LearningRates.Single(rate => rate.Key.StartsWith("2x", StringComparison.Ordinal)).Value).ToList();
        // The last step of the first epoch is the sixth of twelve, of a cosine from twice the rate.
        Assert.Equal(0.1 * (1 + Math.Cos(Math.PI * 5 / 12)), body[0], 12);
        Assert.Equal(0.1 * (1 + Math.Cos(Math.PI * 11 / 12)), body[1], 12);
    }

    [Fact]
    public void GroupsSetRatesDecaysAndSchedulesApart()
    {
        var summary = Train(
            "  - freeze: norm",
            "train.groups=[{ of: \"body\", learning-rate: 0.5x }, { of: \"**.bias\", weight-decay: 0, schedule: { name: cosine, until: 2 } }]",
            "train.decay-norm-and-bias=false").Summary;
        Assert.Equal(
            ["0.5x", "0.5x, decay 0, cosine until 2", "1x", "1x, decay 0, cosine until 2"], summary.Epochs[3].LearningRates.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(0, summary.Epochs[3].LearningRates["1x, decay 0, cosine until 2"], 12);
        Assert.Contains("goes by stages", Assert.Throws<RecipeException>(() => TrainInto("other", "  - freeze: norm", "train.layer-decay=0.5")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("  - { freeze: norm, from-epoch: 4 }", "a rule waits until 4 epochs are over (from-epoch: 4), and the training has 4")]
    [InlineData("  - { freeze: norm, from-plateau: 1 }", "nothing says what one is; add plateau: to train")]
    [InlineData("  - { freeze: norm, from-plateau: 1, from-epoch: 2 }", "waits for an epoch already")]
    [InlineData("  - freeze: norm\n  - { from-epoch: 2, train: nrom }", "recipe.yaml:11:5: selector \"nrom\" matches nothing")]
    [InlineData("  - { freeze-progressively: [norm], from-epoch: 2 }", "has epochs of its own")]
    [InlineData("  - unfreeze: []", "unfreeze")]
    [InlineData("  - { unfreeze: [norm], decay: 0.5 }", "decay is")]
    public void WhatCannotBeIsSaidBeforeTraining(string freeze, string problem)
    {
        var error = Assert.Throws<RecipeException>(() => Train(freeze));
        Assert.StartsWith("recipe.yaml:", error.Message, StringComparison.Ordinal);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_bench.Folder().Recipe));
    }

    [Fact]
    public void GroupsThatMatchNothingOrFollowAMetricPointAtTheirPlace()
    {
        Assert.Contains("haed", Assert.Throws<RecipeException>(() => Train("  - freeze: norm", "train.groups=[{ of: haed, weight-decay: 0 }]")).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be a group's own", Assert.Throws<RecipeException>(() => Train("  - freeze: norm", "train.groups=[{ of: head, schedule: plateau }]")).Message, StringComparison.Ordinal);
        Assert.Contains("the group says nothing", Assert.Throws<RecipeException>(() => Train("  - freeze: norm", "train.groups=[{ of: head }]")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAuditEveryFewEpochsNamesWhatMovesAndByHowMuchFromCopies()
    {
        var error = Assert.Throws<Frostline.Freezing.FreezeException>(
            () => Train("  - { of: \"body | norm\", parameters: off }", "train.audit={ every: 1, copies: true }"));
        Assert.Contains("the audit after epoch 1: 7 frozen tensors, 3 moved: norm.running_mean (8 elements by up to ", error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(_bench.Folder().Frozen));
        Assert.Contains("failed: the audit after epoch 1", File.ReadAllText(_bench.Folder().Log), StringComparison.Ordinal);
    }

    [Fact]
    public void ATrainingThatIsResumedWithOtherFreezeRulesKeepsTheMomentsOfWhatIsStillTrained()
    {
        // Two epochs with everything trained, then without the body: said at the beginning, and only when the training is resumed.
        TrainInto("said", "  - { from-epoch: 2, freeze: body }");
        using (var cancel = new CancelAfter(16)) _bench.Train(_bench.Parse(TextWith("  - train: \"**\"")), observer: cancel, cancellation: cancel.Token);
        var resumed = _bench.Train(_bench.Parse(TextWith("  - freeze: body")), resume: true);
        Assert.Equal(0, resumed.Summary.Audit.Moved);
        Assert.Equal(File.ReadAllBytes(_bench.Folder("said").Model), File.ReadAllBytes(_bench.Folder().Model));
        var log = File.ReadAllText(_bench.Folder().Log);
        Assert.Contains("the freeze rules are others than before", log, StringComparison.Ordinal);
        Assert.Contains("2 froze; gone from the optimizer with its state: body.weight, body.bias", log, StringComparison.Ordinal);
        Assert.Contains("freeze: body", File.ReadAllText(_bench.Folder().Recipe), StringComparison.Ordinal);
    }

    [Fact]
    public void AfterAChangeOfRulesATrainingMayBeInterruptedAgain()
    {
        const string Before = "  - freeze: \"body | norm\"", After = "  - { train: body, learning-rate: 0.5x, warm-up: 2 }\n  - { from-epoch: 3, freeze: norm }";
        foreach (var (folder, interruptions) in new[] { ("once", new[] { 9 }), ("again", [9, 0, 4, 7]), ("atEpoch", [9, 3]) })
        {
            for (var i = 0; i < interruptions.Length; i++)
            {
                using var cancel = new CancelAfter(interruptions[i]);
                var token = interruptions[i] == 0 ? new CancellationToken(canceled: true) : cancel.Token;
                _bench.Train(_bench.Parse(TextWith(i == 0 ? Before : After)), folder, resume: i > 0, cancel, token);
            }

            Assert.Equal(0, _bench.Train(_bench.Parse(TextWith(After)), folder, resume: true).Summary.Audit.Moved);
        }

        Assert.Equal(File.ReadAllBytes(_bench.Folder("once").Model), File.ReadAllBytes(_bench.Folder("again").Model));
        Assert.Equal(File.ReadAllBytes(_bench.Folder("once").Model), File.ReadAllBytes(_bench.Folder("atEpoch").Model));
        // Anything else than the rules is another training.
        Assert.Contains("only freeze may change", Assert.Throws<FrostlineException>(
            () => _bench.Train(_bench.Parse(TextWith(After), "train.batch-size=4"), "once", resume: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryStepLooksFirstWhetherTheNetworkIsAsThePlanLeftIt()
    {
        var tamperer = new Tamperer();
        var error = Assert.Throws<Frostline.Freezing.FreezeException>(
            () => _bench.Train(_bench.Parse(TextWith("  - freeze: body"), "train.checkpoint-every=1"), observer: tamperer));
        Assert.Contains("body.weight is frozen and requires a gradient", error.Message, StringComparison.Ordinal);
        // The batch after the tampering made no step.
        Assert.Equal(1, tamperer.Batches);
        Assert.Single(File.ReadLines(_bench.Folder().Metrics));
    }

    [Fact]
    public void ThePlanKnowsAllPhases()
    {
        var report = new PlanJob(_bench.Parse(TextWith("  - freeze: \"!head\"\n  - { unfreeze: [norm, body] }"))).Run();
        Assert.Equal([(1, 27L, 72L), (2, 43L, 56L), (3, 99L, 0L)], report.Phases.Select(phase => (phase.Epoch, phase.Trainable, phase.Frozen)));
        Assert.Equal(report.Step, report.Phases[0].Step);
    }

    private TrainResult Train(string freeze, params string[] sets) => TrainInto("run", freeze, sets);

    private TrainResult TrainInto(string folder, string freeze, params string[] sets) => _bench.Train(_bench.Parse(TextWith(freeze), sets), folder);

    private static string TextWith(string freeze) => RecipeBench.Text.Replace("  - freeze: \"body | norm\"", freeze, StringComparison.Ordinal);

    /// <summary>Thaws a parameter behind the plan's back once a batch is done.</summary>
    private sealed class Tamperer : ITrainingObserver
    {
        private Frostline.Freezing.FrozenModel? _frozen;

        public int Batches { get; private set; }

        public void Prepared(Frostline.Freezing.FrozenModel frozen, InitializationReport initialization) => _frozen = frozen;

        public void Progress(TrainingProgress progress)
        {
            Batches++;
            _frozen!.Network.get_parameter("body.weight")!.requires_grad = true;
        }
    }

    private static float[] Floats(byte[] bytes) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();
}
