using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class TrainJobTests
{
    [Fact]
    public void ARunFolderHoldsEverythingAndTheSummaryItsFields()
    {
        using var bench = new RecipeBench();
        var result = bench.Train();
        var folder = bench.Folder();
        Assert.All(
            new[] { folder.Summary, folder.Model, folder.Last, folder.Best, folder.Metrics, folder.Recipe, folder.InitialValues, folder.Log },
            path => Assert.True(File.Exists(path), path));
        Assert.Equal(File.ReadAllBytes(folder.Best), File.ReadAllBytes(folder.Model));
        using (var model = Checkpoint.Open(folder.Model))
            Assert.Equal(Origins(ModelFile.ProvenanceOf(model)!), Origins(InitializationReport.FromJson(File.ReadAllText(folder.InitialValues))));

        using var json = JsonDocument.Parse(File.ReadAllText(folder.Summary));
        foreach (var path in new[]
        {
            "model.name", "model.parameters", "model.trainable", "model.frozen", "initialization.loaded", "initialization.drawn",
            "initialization.kept", "initialization.missing", "initialization.unexpected", "initialization.skipped", "frostLine.stage",
            "epochs", "best.epoch", "best.metrics", "audit.frozenTensors", "audit.moved", "audit.movedNames", "seconds.initialize",
            "seconds.train", "seconds.total", "seed", "threads", "version",
        }) Assert.True(Has(json.RootElement, path), path);
        foreach (var key in new[] { "epoch", "loss", "metrics", "seconds", "learningRates" })
            Assert.True(json.RootElement.GetProperty("epochs")[0].TryGetProperty(key, out _), key);

        var summary = RunSummary.Read(folder.Summary);
        Assert.Equal(4, summary.Epochs.Count);
        Assert.Equal(summary.Model.Parameters, summary.Model.Trainable + summary.Model.Frozen);
        Assert.Equal((3 * 8) + 3, summary.Model.Trainable);
        Assert.Equal(7, summary.Audit.FrozenTensors);
        Assert.Equal(0, summary.Audit.Moved);
        Assert.Equal("accuracy", summary.Best!.Metric);
        Assert.Equal(["loss", "accuracy", "top-5", "macro-f1", "macro-precision", "macro-recall"], summary.Best.Metrics.Keys);
        Assert.Equal(["per-class", "confusion-matrix"], summary.Best.Tables.Select(t => t.Name));
        Assert.Equal(RunEnd.Finished, result.Summary.Ended);
        // A step for each of 6 batches in 4 epochs, and 4 epochs.
        Assert.Equal(28, File.ReadLines(folder.Metrics).Count());
    }

    [Fact]
    public void TheModelFileSaysWhatItIsWithoutTimeOrPath()
    {
        using var bench = new RecipeBench();
        bench.Train();
        using var file = Checkpoint.Open(bench.Folder().Model);
        Assert.Equal(
            ["frostline.classes", "frostline.format", "frostline.model", "frostline.provenance", "frostline.transform", "frostline.version"],
            file.Metadata.Keys.Order(StringComparer.Ordinal));
        var description = ModelDescription.Read(file, RecipeBench.Registry)!;
        Assert.Equal("small", description.Model.Name);
        Assert.Equal(["left", "right", "top"], description.Classes!.Names);
        var provenance = ModelFile.ProvenanceOf(file)!;
        Assert.True(provenance.Find("head.weight")!.Trained);
        Assert.False(provenance.Find("body.weight")!.Trained);
        Assert.All(file.Metadata.Values, value => Assert.DoesNotContain(bench.Folder().Path, value, StringComparison.Ordinal));
    }

    [Fact]
    public void TheSameRecipeGivesTheSameBytes()
    {
        using RecipeBench one = new(), two = new();
        one.Train();
        two.Train();
        Assert.Equal(File.ReadAllBytes(one.Folder().Model), File.ReadAllBytes(two.Folder().Model));
    }

    [Fact]
    public void TheLogNamesTheProblemsOfTheDataAndOfVeryManyHowManyMore()
    {
        using var bench = new RecipeBench();
        bench.Train("train.epochs=1", "data.train.problems=2", "data.validate.problems=53");
        var warnings = File.ReadAllLines(bench.Folder().Log).Where(line => line.Contains("warning: ", StringComparison.Ordinal)).ToList();
        // Both sets have the first two, which are said once.
        Assert.Equal(51, warnings.Count);
        Assert.EndsWith("warning: entry 0 is left out", warnings[0], StringComparison.Ordinal);
        Assert.EndsWith("warning: 3 more problems of the data are not listed", warnings[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void CancelledAndResumedGivesTheSameBytes()
    {
        using var bench = new RecipeBench();
        var recipe = bench.Parse(RecipeBench.Text, "train.ema=0.9", "train.mixup=0.3", "train.accumulate=2", "train.schedule={name: cosine, warm-up: 1}");
        bench.Train(recipe, "straight");
        var result = default(TrainResult);
        for (var attempt = 1; attempt < 12 && result is not { IsComplete: true }; attempt++)
        {
            using var cancel = new CancelAfter(3 + (attempt * 2));
            result = bench.Train(recipe, "broken", resume: true, cancel, cancel.Token);
            Assert.Equal(result.IsComplete, File.Exists(bench.Folder("broken").Model));
        }

        Assert.True(result!.IsComplete);
        Assert.Equal(File.ReadAllBytes(bench.Folder("straight").Model), File.ReadAllBytes(bench.Folder("broken").Model));
        // Resuming what is done only reports it.
        Assert.True(bench.Train(recipe, "broken", resume: true).IsComplete);
        Assert.Equal(File.ReadAllBytes(bench.Folder("straight").Model), File.ReadAllBytes(bench.Folder("broken").Model));
    }

    [Fact]
    public void ARunIsNotOverwrittenAndNotGoneOnWithByAnotherRecipe()
    {
        using var bench = new RecipeBench();
        bench.Train("train.epochs=1");
        Assert.Contains("holds a run already", Assert.Throws<FrostlineException>(() => bench.Train("train.epochs=1")).Message, StringComparison.Ordinal);
        var other = bench.Parse(RecipeBench.Text, "train.epochs=1", "train.optimizer.momentum=0.5");
        var error = Assert.Throws<FrostlineException>(() => bench.Train(other, resume: true));
        Assert.Contains("\"momentum: 0.9\" then, \"momentum: 0.5\" now", error.Message, StringComparison.Ordinal);
        // What cannot change the result may differ.
        bench.Train(bench.Parse(RecipeBench.Text, "train.epochs=1", "data.workers=1"), resume: true);
    }

    [Fact]
    public void FrozenRandomWeightsAreRefused()
    {
        using var bench = new RecipeBench();
        var error = Assert.Throws<RecipeException>(() => bench.Train("allow-random=false"));
        Assert.StartsWith("recipe.yaml:", error.Message, StringComparison.Ordinal);
        Assert.Contains("body.weight", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(bench.Folder().Model));
    }

    [Fact]
    public void ErrorsOfWholePlansPointAtTheirRule()
    {
        using var bench = new RecipeBench();
        var freeze = Assert.Throws<RecipeException>(() => bench.Train("freeze=[{ freeze: \"bodi.**\" }]"));
        Assert.Contains("bodi", freeze.Message, StringComparison.Ordinal);
        Assert.Contains("body", freeze.Message, StringComparison.Ordinal);
        var draw = Assert.Throws<RecipeException>(() => bench.Parse(RecipeBench.Text.Replace("draw: \"**\"", "draw: \"haed.**\"", StringComparison.Ordinal)) is var recipe ? bench.Train(recipe, "other") : null!);
        Assert.StartsWith("recipe.yaml:6:", draw.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAveragedModelIsValidatedAndKept()
    {
        using var bench = new RecipeBench();
        bench.Train("train.ema=0.95", "best=loss");
        using Checkpoint model = Checkpoint.Open(bench.Folder().Model), last = Checkpoint.Open(bench.Folder().Last);
        var summary = RunSummary.Read(bench.Folder().Summary);
        if (summary.Best!.Epoch == 4) Assert.Equal(last.Read("average.head.weight"), model.Read("head.weight"));
        Assert.NotEqual(last.Read("model.head.weight"), model.Read("head.weight"));
        Assert.Equal(last.Read("model.body.weight"), model.Read("body.weight"));
    }

    [Fact]
    public void WithoutValidationTheLastEpochIsKept()
    {
        using var bench = new RecipeBench();
        var recipe = bench.Parse(RecipeBench.Text.Replace("  validate: { name: points, count: 30, draw: 9 }\n", "", StringComparison.Ordinal));
        var summary = bench.Train(recipe).Summary;
        Assert.Equal(4, summary.Best!.Epoch);
        Assert.Null(summary.Best.Metric);
        Assert.All(summary.Epochs, epoch => Assert.Empty(epoch.Metrics));
    }

    [Fact]
    public void ASplitIsStratifiedAndSeeded()
    {
        using var bench = new RecipeBench();
        var text = RecipeBench.Text.Replace("validate: { name: points, count: 30, draw: 9 }", "split: 0.25", StringComparison.Ordinal);
        var data = TrainingData.Open(bench.Parse(text));
        Assert.Equal((36, 12), (data.Train.Count, data.Validate!.Count));
        Assert.Equal([12L, 12, 12], data.Context.ClassCounts!);
        Assert.Equal(36, data.Context.SampleCount);
        bench.Train(bench.Parse(text));
    }

    [Fact]
    public void ManyLabelsTrainWithTheirOwnLossAndMetrics()
    {
        using var bench = new RecipeBench();
        var text = RecipeBench.Text.Replace("points, count", "points, multi-label: true, count", StringComparison.Ordinal);
        var summary = bench.Train(bench.Parse(text, "train.mixup=0.2")).Summary;
        Assert.Equal("mean-average-precision", summary.Best!.Metric);
        Assert.True(summary.Best.Metrics["mean-average-precision"] > 0.6);
    }

    [Fact]
    public void CalibratedNormsAreRecordedAndMayBeFrozen()
    {
        using var bench = new RecipeBench();
        var text = RecipeBench.Text.Replace("allow-random: true", "  - calibrate-norm: norm\n    batches: 3\nallow-random: true", StringComparison.Ordinal);
        bench.Train(bench.Parse(text));
        using var file = Checkpoint.Open(bench.Folder().Model);
        Assert.IsType<Origin.Calibrated>(ModelFile.ProvenanceOf(file)!.Find("norm.running_mean")!.Origin);
        Assert.NotEqual(new byte[32], file.Read("norm.running_mean"));
    }

    private static IEnumerable<(string Name, string Rule, Origin Origin)> Origins(InitializationReport report) =>
        report.Tensors.Select(tensor => (tensor.Name, tensor.Rule, tensor.Origin));

    [Fact]
    public void WithAnAverageTheModelFileHoldsItAndItsProvenance()
    {
        using var bench = new RecipeBench();
        var step = bench.Parse(RecipeBench.Text, "train.epochs=1", "train.batch-size=48");
        bench.Train(step, "plain");
        bench.Train(bench.Parse(RecipeBench.Text, "train.epochs=1", "train.batch-size=48", "train.ema=0.05"), "a");
        bench.Train(bench.Parse(RecipeBench.Text, "train.epochs=1", "train.batch-size=48", "train.ema=0.08"), "b");
        using var plain = Checkpoint.Open(bench.Folder("plain").Model);
        using var a = Checkpoint.Open(bench.Folder("a").Model);
        using var b = Checkpoint.Open(bench.Folder("b").Model);
        foreach (var name in plain.Tensors.Where(tensor => tensor.Type == TensorType.Float32).Select(tensor => tensor.Name))
        {
            // After one step both are decay * before + (1 - decay) * after, so both give the same value from before the step.
            var (after, one, other) = (Values(plain, name), Values(a, name), Values(b, name));
            for (var i = 0; i < after.Length; i++)
                Assert.Equal((one[i] - (0.95 * after[i])) / 0.05, (other[i] - (0.92 * after[i])) / 0.08, 1e-5);
        }

        Assert.Contains(plain.Tensors, tensor => !Values(plain, tensor.Name).SequenceEqual(Values(a, tensor.Name)));
        Assert.Equal(ModelFile.ProvenanceOf(plain)!.ToJson(), ModelFile.ProvenanceOf(a)!.ToJson());

        static float[] Values(Checkpoint file, string name) =>
            System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(file.Read(name)).ToArray();
    }

    [Fact]
    public void ACopyHasWhatItsSourceHasInTheEndAndSaysSo()
    {
        using var bench = new RecipeBench();
        var text = RecipeBench.Text.Replace(
            "allow-random: true", "  - copy: norm.weight\n    into: norm.bias\n  - set: norm.weight\n    value: 0.5\nallow-random: true", StringComparison.Ordinal);
        bench.Train(bench.Parse(text));
        using var file = Checkpoint.Open(bench.Folder().Model);
        var provenance = ModelFile.ProvenanceOf(file)!.Find("norm.bias")!;
        Assert.Equal(new Origin.Copied("norm.weight"), provenance.Origin);
        Assert.Equal("copy \"norm.bias\" from \"norm.weight\"", provenance.Rule);
        Assert.Equal(file.Read("norm.weight"), file.Read("norm.bias"));
        Assert.Equal(0.5f, BitConverter.ToSingle(file.Read("norm.bias")));
    }

    [Theory]
    [InlineData("body.weight", "body.bias", "body.bias is [8] and body.weight is [8, 6]; shapes must be equal")]
    [InlineData("nom", "body", "there is no parameter, buffer or module \"nom\" with values; did you mean \"norm\"?")]
    public void AnImpossibleRuleOfThePlanIsToldWithItsPlaceInTheRecipe(string from, string into, string problem)
    {
        using var bench = new RecipeBench();
        var text = RecipeBench.Text.Replace(
            "allow-random: true", $"  - calibrate-norm: norm\n  - copy: {from}\n    into: {into}\nallow-random: true", StringComparison.Ordinal);
        var message = Assert.Throws<RecipeException>(() => bench.Train(bench.Parse(text))).Message;
        Assert.StartsWith("recipe.yaml:9:5: ", message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
    }

    [Fact]
    public void LayersAreScaledToUnitVarianceOnTheFirstBatchAndThatIsRecorded()
    {
        using var bench = new RecipeBench();
        var text = RecipeBench.Text.Replace("allow-random: true", "  - lsuv: body\n    tolerance: 0.001\n    iterations: 20\nallow-random: true", StringComparison.Ordinal);
        bench.Train(bench.Parse(text));
        using var file = Checkpoint.Open(bench.Folder().Model);
        var scaled = Assert.IsType<Origin.Scaled>(ModelFile.ProvenanceOf(file)!.Find("body.weight")!.Origin);
        Assert.InRange(scaled.Variance, 0.999, 1.001);
        Assert.NotEqual(1, scaled.Factor);
    }

    [Theory]
    [InlineData("freeze=[{ of: \"body | norm\", parameters: off }]")]
    [InlineData("freeze=[{ freeze: \"norm.weight | norm.bias | body\" }]")]
    public void FreezingOnlyParametersMakesTheAuditNameTheDriftingStatistics(string freeze)
    {
        using var bench = new RecipeBench();
        var audit = bench.Train(freeze).Summary.Audit;
        Assert.Equal(["norm.num_batches_tracked", "norm.running_mean", "norm.running_var"], audit.MovedNames.Order(StringComparer.Ordinal));
        Assert.Equal(3, audit.Moved);
        Assert.Empty(audit.DriftedNames);
    }

    [Fact]
    public void AStatedDriftIsReportedAndNoError()
    {
        using var bench = new RecipeBench();
        var summary = bench.Train("freeze=[{ freeze: \"body | norm\", norm: move }]").Summary;
        Assert.Equal(0, summary.Audit.Moved);
        Assert.Equal(["norm.num_batches_tracked", "norm.running_mean", "norm.running_var"], summary.Audit.DriftedNames.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void AFailedTrainingLeavesItsReasonInTheLog()
    {
        using var bench = new RecipeBench();
        Assert.Throws<TrainingDivergedException>(() => bench.Train("data.train={ name: points, count: 48, broken: 5 }"));
        Assert.Contains("failed: the loss of step", File.ReadAllText(bench.Folder().Log), StringComparison.Ordinal);
    }

    private static bool Has(JsonElement element, string path)
    {
        foreach (var part in path.Split('.'))
        {
            if (!element.TryGetProperty(part, out element)) return false;
        }

        return true;
    }
}
