using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Optimization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Runs;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class TrainingLoopTests
{
    public static TheoryData<string> Variants => ["sgd", "adamw, accumulated", "ema, cosine, mixup, clipped", "plateau, no validation", "phases, adamw, ema", "phases at plateaus", "progressive freezing"];

    [Theory]
    [MemberData(nameof(Variants))]
    public void CancelledAtRandomBatchesAndResumedGivesTheSameBytes(string variant)
    {
        using var straight = Bench(variant);
        Assert.Equal(RunEnd.Finished, straight.Run());

        using var broken = Bench(variant);
        var random = new CounterRandom(1, variant);
        var end = RunEnd.Cancelled;
        for (var attempt = 0; attempt < 30 && end == RunEnd.Cancelled; attempt++)
        {
            using var cancel = new CancelAfter(1 + random.NextInt32(9));
            broken.Observer = cancel;
            end = broken.Run(cancel.Token);
        }

        Assert.Equal(RunEnd.Finished, end);
        Assert.Equal(File.ReadAllBytes(straight.Folder.Best), File.ReadAllBytes(broken.Folder.Best));
        AssertSameTensors(straight.Folder.Last, broken.Folder.Last);
        Assert.Equal(straight.State! with { Epochs = [], EpochSeconds = 0, MetricsLength = 0 }, broken.State! with { Epochs = [], EpochSeconds = 0, MetricsLength = 0 }, StateEquality);
        Assert.Equal(WithoutSeconds(straight.Folder.Metrics), WithoutSeconds(broken.Folder.Metrics));
    }

    [Fact]
    public void TheSameSeedGivesTheSameBytesAndAnotherOthers()
    {
        using LoopBench one = new(), two = new(), other = new();
        other.Settings = other.Settings with { Seed = 4 };
        foreach (var bench in new[] { one, two, other }) bench.Run();
        Assert.Equal(File.ReadAllBytes(one.Folder.Best), File.ReadAllBytes(two.Folder.Best));
        Assert.NotEqual(File.ReadAllBytes(one.Folder.Best), File.ReadAllBytes(other.Folder.Best));
    }

    [Fact]
    public void ItLearns()
    {
        using var bench = new LoopBench { Settings = new LoopSettings { Epochs = 15, Best = "accuracy" } };
        bench.Run();
        var epochs = bench.State!.Epochs;
        Assert.True(epochs[^1].Loss < 0.5 * epochs[0].Loss, $"{epochs[0].Loss} -> {epochs[^1].Loss}");
        Assert.True(bench.State.Best!.Metrics["accuracy"] > 0.8);
    }

    [Fact]
    public void AccumulatedBatchesMakeTheStepOfOneBigBatch()
    {
        LoopBench Of(int batch, int accumulate) => new()
        {
            BatchSize = batch,
            Network = new SmallOptions { Norm = false, Dropout = 0 },
            Type = torch.float64,
            Settings = new LoopSettings { Epochs = 3, Accumulate = accumulate, Best = "loss" },
            // 42 is no multiple of 12: the last step of an epoch has fewer samples.
            Data = new PointsOptions { Count = 42 },
        };
        using LoopBench big = Of(12, 1), small = Of(4, 3), uneven = Of(5, 1);
        foreach (var bench in new[] { big, small, uneven }) bench.Run();
        Assert.Equal(big.State!.Step, small.State!.Step);
        using Checkpoint expected = Checkpoint.Open(big.Folder.Last), actual = Checkpoint.Open(small.Folder.Last), control = Checkpoint.Open(uneven.Folder.Last);
        double Distance(Checkpoint other) => expected.Tensors.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal)).Max(t =>
            Doubles(expected, t.Name).Zip(Doubles(other, t.Name)).Max(pair => Math.Abs(pair.First - pair.Second)));
        Assert.True(Distance(actual) < 1e-12, $"{Distance(actual)}");
        Assert.True(Distance(control) > 1e-4);
    }

    [Fact]
    public void ANaNLossStopsAtOnceAndNamesTheLargestGradients()
    {
        using var bench = new LoopBench
        {
            Optimizer = Optimizers.Sgd(1e25),
            Network = new SmallOptions { Norm = false, Dropout = 0 },
            Settings = new LoopSettings { Best = "loss" },
        };
        var error = Assert.Throws<TrainingDivergedException>(() => bench.Run());
        Assert.InRange(error.Step, 2, 4);
        Assert.Contains($"the loss of step {error.Step} (epoch 1)", error.Message, StringComparison.Ordinal);
        Assert.Contains("largest gradients of the step before: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("head.weight", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(bench.Folder.Best));
    }

    [Fact]
    public void ANaNInTheDataIsNamedByItsSample()
    {
        using var bench = new LoopBench { Data = new PointsOptions { Broken = 17 }, Settings = new LoopSettings { Best = "loss" } };
        var error = Assert.Throws<TrainingDivergedException>(() => bench.Run());
        Assert.Contains("the field \"image\" of point-17 is not finite", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EarlyStoppingEndsTrainingAfterItsPatience()
    {
        using var bench = new LoopBench
        {
            Optimizer = Optimizers.Sgd(1e-12),
            Settings = new LoopSettings { Epochs = 20, Best = "accuracy", EarlyStopping = new MetricWatch("accuracy", Patience: 2) },
        };
        Assert.Equal(RunEnd.StoppedEarly, bench.Run());
        // The statistics of the norm still move; the accuracy may get better by them once or twice.
        Assert.InRange(bench.State!.Epochs.Count, 3, 15);
        Assert.Equal(2, bench.State.EarlyStopping.BadEpochs);
        Assert.Equal(bench.State.Epochs.Count - 2, bench.State.Epochs.ToList().FindIndex(e => e.Metrics["accuracy"].Equals(bench.State.EarlyStopping.Best)) + 1);
    }

    [Fact]
    public void AReducedRateIsReportedByEpoch()
    {
        using var bench = new LoopBench
        {
            Optimizer = Optimizers.Sgd(1e-12),
            Network = new SmallOptions { Norm = false },
            Settings = new LoopSettings { Epochs = 4, Schedule = new PlateauSchedule { Patience = 0, Factor = 0.5 } },
        };
        bench.Run();
        Assert.Equal([1e-12, 1e-12, 5e-13, 2.5e-13], bench.State!.Epochs.Select(e => e.LearningRates["1x"]));
    }

    [Fact]
    public void TheBestEpochIsKept()
    {
        using var bench = new LoopBench { Optimizer = Optimizers.Sgd(0.5), Settings = new LoopSettings { Epochs = 6, Best = "accuracy" } };
        bench.Run();
        var best = bench.State!.Best!;
        Assert.Equal(bench.State.Epochs.Max(e => e.Metrics["accuracy"]), best.Metrics["accuracy"]);
        Assert.Equal(bench.State.Epochs.First(e => e.Metrics["accuracy"].Equals(best.Metrics["accuracy"])).Epoch, best.Epoch);
        Assert.True(best.Epoch < 6, "another seed: the last epoch is the best one, and nothing had to be kept");

        // Its values, though later epochs have trained on before it was written.
        using var upTo = new LoopBench { Optimizer = Optimizers.Sgd(0.5), Settings = new LoopSettings { Epochs = best.Epoch, Best = "accuracy" } };
        upTo.Run();
        using Checkpoint kept = Checkpoint.Open(bench.Folder.Best), then = Checkpoint.Open(upTo.Folder.Last);
        Assert.All(kept.Tensors, tensor => Assert.Equal(then.Read($"model.{tensor.Name}"), kept.Read(tensor.Name)));
    }

    [Fact]
    public void NothingFrozenMovesWithMomentumAndDecay()
    {
        using var bench = new LoopBench { Plan = new FreezePlan().Freeze("body | norm"), Settings = new LoopSettings { Epochs = 5, Best = "loss" } };
        bench.Run();
        using var after = Checkpoint.Open(bench.Folder.Last);
        using var short1 = new LoopBench { Plan = new FreezePlan().Freeze("body | norm"), Settings = new LoopSettings { Epochs = 1, Best = "loss" } };
        short1.Run();
        using var before = Checkpoint.Open(short1.Folder.Last);
        var same = before.Tensors.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal) && before.Read(t.Name).SequenceEqual(after.Read(t.Name)));
        Assert.Equal(["model.body.weight", "model.body.bias", "model.norm.weight", "model.norm.bias", "model.norm.running_mean", "model.norm.running_var", "model.norm.num_batches_tracked"], same.Select(t => t.Name));
        Assert.DoesNotContain(after.Tensors, t => t.Name.StartsWith("optimizer.body", StringComparison.Ordinal));
    }

    [Fact]
    public void PhasesThawAndFreezeAndTheAuditCoversThemAll()
    {
        using var bench = Bench("phases, adamw, ema");
        var snapshots = new List<Dictionary<string, byte[]>>();
        bench.Observer = new AfterEpoch(() => snapshots.Add(Snapshot(bench.Folder.Last)));
        Assert.Equal(RunEnd.Finished, bench.Run());
        // From each epoch to the next: what moved, of the network's tensors.
        Assert.Equal(["body.bias", "body.weight", "head.bias", "head.weight"], Moved(0));
        Assert.Equal(["body.bias", "body.weight", "head.bias", "head.weight", "norm.bias", "norm.weight"], Moved(1));
        Assert.Equal(["head.bias", "head.weight", "norm.bias", "norm.num_batches_tracked", "norm.running_mean", "norm.running_var", "norm.weight"], Moved(2));
        using var last = TrainingCheckpoint.Open(bench.Folder.Last);
        var ledger = AuditLedger.FromJson(last.Metadata[TrainingCheckpoint.LedgerKey]);
        Assert.Empty(ledger.Moved);
        Assert.Empty(ledger.Unmoved);

        List<string> Moved(int epoch) =>
        [
            .. snapshots[epoch].Where(tensor => tensor.Key.StartsWith("model.", StringComparison.Ordinal) && !tensor.Value.AsSpan().SequenceEqual(snapshots[epoch + 1][tensor.Key]))
                .Select(tensor => tensor.Key[6..]).Order(StringComparer.Ordinal),
        ];
    }

    [Fact]
    public void PlateausOfTheMetricThawOnePartEach()
    {
        using var bench = Bench("phases at plateaus");
        var trained = new List<int>();
        bench.Observer = new AfterEpoch(() => trained.Add(Snapshot(bench.Folder.Last).Keys.Count(name => name.StartsWith("optimizer.", StringComparison.Ordinal))));
        bench.Run();
        Assert.InRange(bench.State!.Plateaus.Count(epoch => epoch < 6), 1, 5);
        for (var epoch = 0; epoch < 6; epoch++)
            Assert.Equal(2 + (2 * Math.Min(2, bench.State.Plateaus.Count(plateau => plateau <= epoch))), trained[epoch]);
        Assert.Contains("a rule of the plan waits for a plateau", Assert.Throws<FrostlineException>(() =>
        {
            using var silent = Bench("phases at plateaus");
            silent.Settings = silent.Settings with { Plateau = null };
            silent.Run();
        }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAuditBetweenEpochsStopsATrainingWhoseFrozenTensorsMove()
    {
        using var bench = new LoopBench { Plan = new FreezePlan().Parameters("body | norm", trained: false), Settings = new LoopSettings { Epochs = 5, AuditEvery = 2 } };
        var error = Assert.Throws<FreezeException>(() => bench.Run());
        Assert.Contains("after epoch 2: 7 frozen tensors, 3 moved: norm.running_mean", error.Message, StringComparison.Ordinal);
        Assert.Single(bench.State!.Epochs);
    }

    [Fact]
    public void LiveTensorsDoNotGrowWithEpochs()
    {
        using var bench = new LoopBench { Ema = 0.9, Settings = new LoopSettings { Epochs = 8, Accumulate = 2, ClipGradientNorm = 1, Mixup = 0.4, CheckpointEverySteps = 2 } };
        var counter = new CountTensors();
        bench.Observer = counter;
        bench.Run();
        Assert.Equal(8, counter.AfterEpochs.Count);
        // Tensors of earlier tests may be finalised meanwhile: fewer is fine, more is a leak.
        Assert.All(counter.AfterEpochs.Skip(2), count => Assert.True(count <= counter.AfterEpochs[1], string.Join(" ", counter.AfterEpochs)));
    }

    [Fact]
    public void CheckpointsComeAfterStepsBesideThoseOfEpochs()
    {
        using var bench = new LoopBench { Settings = new LoopSettings { Epochs = 1, CheckpointEverySteps = 4 } };
        var steps = new List<int>();
        bench.Observer = new Watch(() =>
        {
            if (!File.Exists(bench.Folder.Last)) return;
            using var checkpoint = TrainingCheckpoint.Open(bench.Folder.Last);
            steps.Add((int)checkpoint.State.Step);
        });
        bench.Run();
        Assert.Contains(4, steps);
        Assert.DoesNotContain(3, steps);
    }

    [Fact]
    public void AMetricThatIsNotMeasuredIsRefusedBeforeTraining()
    {
        using var bench = new LoopBench { Settings = new LoopSettings { Best = "acuracy" } };
        Assert.Contains("did you mean \"accuracy\"", Assert.Throws<FrostlineException>(() => bench.Run()).Message, StringComparison.Ordinal);
        bench.Validates = false;
        Assert.Contains("no validation", Assert.Throws<FrostlineException>(() => bench.Run()).Message, StringComparison.Ordinal);
    }

    private static LoopBench Bench(string variant)
    {
        var bench = new LoopBench();
        bench.Settings = bench.Settings with { Epochs = 4 };
        switch (variant)
        {
            case "adamw, accumulated":
                bench.Optimizer = Optimizers.AdamW(0.02);
                bench.BatchSize = 5;
                bench.Settings = bench.Settings with { Accumulate = 3 };
                break;
            case "ema, cosine, mixup, clipped":
                bench.Ema = 0.9;
                bench.Settings = bench.Settings with { Schedule = new CosineSchedule { WarmUp = 1 }, Mixup = 0.4, ClipGradientNorm = 0.5 };
                break;
            case "plateau, no validation":
                bench.Validates = false;
                bench.Settings = bench.Settings with { Best = "loss", Schedule = new PlateauSchedule { Patience = 0, Threshold = 0.5 } };
                break;
            case "phases, adamw, ema":
                bench.Optimizer = Optimizers.AdamW(0.02);
                bench.Ema = 0.9;
                bench.Plan = new FreezePlan().Freeze("!head")
                    .FromEpoch(1).Train("body", learningRate: 0.3, warmUp: 1)
                    .FromEpoch(2).Train("norm", NormPolicy.Hold)
                    .FromEpoch(3).Norm("norm", NormPolicy.Move).Freeze("body");
                bench.Settings = bench.Settings with { CheckpointEverySteps = 2 };
                break;
            case "phases at plateaus":
                bench.Plan = new FreezePlan().Freeze("!head").UnfreezeAtPlateaus(["norm", "body"], warmUp: 0.5);
                bench.Settings = bench.Settings with { Epochs = 6, Plateau = new MetricWatch("loss", 1, MinimumChange: 0.3), CheckpointEverySteps = 3 };
                break;
            case "progressive freezing":
                var freezing = new ProgressiveFreezing(["body", "norm"], 4, cubed: false);
                bench.Plan = new FreezePlan().FreezeProgressively(freezing);
                bench.Groups = new ParameterGroups().Anneal(freezing);
                break;
        }

        return bench;
    }

    private static bool StateEquality(TrainingState one, TrainingState other) =>
        JsonSerializer.Serialize(one) == JsonSerializer.Serialize(other);

    private static void AssertSameTensors(string expected, string actual)
    {
        using Checkpoint one = Checkpoint.Open(expected), two = Checkpoint.Open(actual);
        Assert.Equal(one.Tensors.Select(t => t.Name), two.Tensors.Select(t => t.Name));
        Assert.All(one.Tensors, tensor => Assert.Equal(one.Read(tensor.Name), two.Read(tensor.Name)));
    }

    private static List<string> WithoutSeconds(string path) =>
    [
        .. File.ReadLines(path).Select(line =>
        {
            var node = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(line)!;
            node.Remove("seconds");
            return JsonSerializer.Serialize(node);
        }),
    ];

    private static double[] Doubles(Checkpoint checkpoint, string name) =>
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, double>(checkpoint.Read(name)).ToArray();

    private sealed class CountTensors : ITrainingObserver
    {
        public List<long> AfterEpochs { get; } = [];

        public void EpochEnded(EpochSummary epoch, bool isBest) => AfterEpochs.Add(torch.Tensor.TotalCount);
    }

    private static Dictionary<string, byte[]> Snapshot(string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        return checkpoint.Tensors.ToDictionary(tensor => tensor.Name, tensor => checkpoint.Read(tensor.Name), StringComparer.Ordinal);
    }

    private sealed class AfterEpoch(Action action) : ITrainingObserver
    {
        public void EpochEnded(EpochSummary epoch, bool isBest) => action();
    }

    private sealed class Watch(Action action) : ITrainingObserver
    {
        public void Progress(TrainingProgress progress) => action();
    }
}
