using System.Text.Json;
using Frostline.Cli.Commands;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Frostline.Training.Sweeps;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

/// <summary><c>frostline sweep</c>, and what lies in its folder.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class SweepCommandTests : IDisposable
{
    private const string Freeze = "  - freeze: \"** & !linear\"";

    private static readonly string[] s_six = ["learning-rate=0.1,0.01,0.001", "weight-decay=0,0.01"];

    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    [Fact]
    public void Six_trials_evaluate_each_sample_once_and_the_best_run_is_that_of_a_training_by_itself()
    {
        var result = Sweep(s_six);
        var sweep = result.Summary;
        Assert.Equal((12L, 12L, true), (sweep.PrefixRows, sweep.StoredRows, sweep.Prefix.Cache!.Used));
        Assert.Equal((6, 6), (sweep.Trials.Count, sweep.Stacked));
        Assert.All(sweep.Trials, trial => Assert.Equal((TrialEnd.Finished, 2), (trial.Ended, trial.Epochs.Count)));

        Assert.Equal((0L, true, "best"), (sweep.Best!.PrefixRows, sweep.Best.Complete, sweep.Best.Folder));
        Assert.InRange(sweep.Best.Difference!.Value, 0, 1e-6);
        Directory.Delete(_project.PathOf("features"), recursive: true);
        Train("single", [.. sweep.Trials[0].Sets]);
        Assert.Equal(_project.ModelIn("single"), _project.ModelIn("sweep/best"));
        Assert.Equal(File.ReadAllText(new RunFolder(_project.PathOf("single")).Recipe), File.ReadAllText(result.Best!.Folder.Recipe));
    }

    [Theory]
    [InlineData(1e-6, "learning-rate=0.1,0.01", "seed=7,8", "train.batch-size=4,3")]
    [InlineData(1e-4, "train.feature-mixup=0.2,4", "train.feature-brightness=0.1,0.9", "learning-rate=1e-3,1e-4")]
    public void Every_trial_reaches_what_a_training_with_its_values_reaches(double tolerance, params string[] grid)
    {
        // Labels in shares have losses that stay large, in which the order of a sum shows more than where all samples are learned.
        var sweep = Sweep(grid).Summary;
        Assert.Equal(12L, sweep.PrefixRows);
        foreach (var trial in sweep.Trials)
        {
            var single = Train($"single-{trial.Trial}", [.. trial.Sets]).Summary;
            Assert.Equal(single.Best!.Epoch, trial.BestEpoch);
            foreach (var (epoch, expected) in trial.Epochs.Zip(single.Epochs))
            {
                Assert.Equal(expected.Loss, epoch.Loss, tolerance * expected.Loss);
                foreach (var (name, value) in expected.Metrics) Assert.Equal(value, epoch.Metrics[name], tolerance * Math.Abs(value));
            }
        }

        Assert.True(sweep.Trials.Select(trial => trial.Epochs[^1].Loss).Distinct().Count() > 4);
    }

    [Fact]
    public void Without_a_store_trials_share_each_evaluated_batch()
    {
        var sweep = Sweep(["learning-rate=0.1,0.01"], "prefix.cache=off").Summary;
        Assert.Equal((24L, 0L, false), (sweep.PrefixRows, sweep.StoredRows, sweep.Prefix.Cache!.Used));
        Assert.Equal(24L, sweep.Best!.PrefixRows);
    }

    [Fact]
    public void The_command_shows_a_table_and_writes_the_same_as_JSON_and_as_a_report()
    {
        var run = CommandRun.Of(
            ["sweep", _project.Recipe, "--output", _project.PathOf("sweep"), "--json", "--grid", "learning-rate=0.1,0.001", "--set", "prefix.cache=on", $"prefix.location={_project.PathOf("features")}"],
            TestContext.Current.CancellationToken);
        Assert.Equal(ExitCodes.Success, run.ExitCode);
        Assert.Equal(File.ReadAllText(_project.PathOf("sweep/sweep.json")), run.Output);
        Assert.Contains("trial  learning-rate  accuracy  loss", run.Error, StringComparison.Ordinal);
        var json = run.Json();
        Documented(json, File.ReadAllText(Path.Combine(Fixtures.Repository, "docs/sweep.md")));
        Assert.True(json.GetProperty("trials")[0].GetProperty("metrics").GetProperty("loss").GetDouble() > 0);
        var report = File.ReadAllText(_project.PathOf("sweep/sweep.md"));
        Assert.Contains("| trial | learning-rate | accuracy | loss | best epoch | epochs | ended |", report, StringComparison.Ordinal);
        Assert.Contains("was evaluated by onnxruntime on 12 rows for all trials together", report, StringComparison.Ordinal);
        Assert.Contains("it evaluated the frozen part on no row", report, StringComparison.Ordinal);
    }

    [Fact]
    public void The_best_comes_first()
    {
        var trials = Sweep(["learning-rate=0.1,1e-9,0.01"], "best=loss").Summary.Trials;
        var losses = trials.Select(trial => trial.Metrics["loss"]).ToList();
        Assert.Equal(losses.Order(), losses);
        Assert.True(losses[0] < losses[2]);
    }

    [Fact]
    public void A_trial_that_diverges_ends_alone()
    {
        var sweep = Sweep(["learning-rate=0.01,3e38,0.02"]).Summary;
        var last = sweep.Trials[^1];
        Assert.Equal(("3e38", TrialEnd.Diverged), (last.Values["learning-rate"], last.Ended));
        Assert.Contains("the loss of step", last.Reason, StringComparison.Ordinal);
        Assert.All(sweep.Trials.Take(2), trial => Assert.Equal(TrialEnd.Finished, trial.Ended));
        var single = Train("single", "train.optimizer.learning-rate=0.01").Summary;
        Assert.Equal(single.Epochs[1].Loss, sweep.Trials.Single(trial => trial.Trial == 1).Epochs[1].Loss, 1e-6 * single.Epochs[1].Loss);
    }

    [Fact]
    public void Where_all_diverge_the_command_says_so()
    {
        var run = CommandRun.Of("sweep", _project.Recipe, "--output", _project.PathOf("sweep"), "--grid", "learning-rate=3e38,2e38");
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Contains("all 2 trials diverged", run.Error, StringComparison.Ordinal);
        Assert.True(File.Exists(_project.PathOf("sweep/sweep.md")));
    }

    [Fact]
    public void A_sweep_that_is_stopped_leaves_what_is_known()
    {
        using var source = new CancellationTokenSource();
        var result = Sweep(["learning-rate=0.1,0.01"], new CancelAt(source, "epoch 1:"), source.Token);
        Assert.False(result.IsComplete);
        Assert.All(result.Summary.Trials, trial => Assert.Equal((TrialEnd.Cancelled, 1), (trial.Ended, trial.Epochs.Count)));
        using var json = JsonDocument.Parse(File.ReadAllText(_project.PathOf("sweep/sweep.json")));
        Assert.False(json.RootElement.GetProperty("complete").GetBoolean());
        Assert.Contains("The sweep was stopped", File.ReadAllText(_project.PathOf("sweep/sweep.md")), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_project.PathOf("sweep/best")));
        var run = CommandRun.Of(["sweep", _project.Recipe, "--output", _project.PathOf("other"), "--grid", "learning-rate=0.1"], source.Token);
        Assert.Equal(ExitCodes.Interrupted, run.ExitCode);
        Assert.Contains("the table is what is known so far", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_run_of_the_best_trial_can_be_resumed()
    {
        using var source = new CancellationTokenSource();
        var stopped = Sweep(["learning-rate=0.1,0.01"], new CancelAt(source, "the best is trial"), source.Token);
        Assert.False(stopped.IsComplete);
        Assert.Equal((true, false), (stopped.Summary.Complete, stopped.Summary.Best!.Complete));
        Assert.True(Train("sweep/best", [.. stopped.Summary.Trials[0].Sets]).IsComplete);
        Train("single", [.. stopped.Summary.Trials[0].Sets]);
        Assert.Equal(_project.ModelIn("single"), _project.ModelIn("sweep/best"));
    }

    [Fact]
    public void A_folder_with_a_sweep_is_not_written_over()
    {
        Sweep(["learning-rate=0.1"]);
        var error = Assert.Throws<FrostlineException>(() => Sweep(["learning-rate=0.1"]));
        Assert.Contains("holds a sweep already", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Freeze, Freeze + "\n  - { from-epoch: 1, train: layer3, norm: hold }", "learning-rate=0.1,0.2", "the plan changes while training")]
    [InlineData(Freeze, "  - freeze: layer1", "learning-rate=0.1,0.2", "no part is computed apart")]
    [InlineData(Freeze, Freeze, "freeze[0].freeze=** & !linear,layer1", "--grid freeze[0].freeze: trial 2 (freeze[0].freeze=layer1) has another frozen part")]
    [InlineData("  - load: backbone.safetensors\n    into: \"** & !linear\"\n", "  - { draw: \"**\", scheme: resnet }\nallow-random: true\n", "seed=1,2", "another frozen part")]
    public void What_a_sweep_cannot_share_is_refused_in_one_line(string former, string now, string grid, string message)
    {
        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace(former, now, StringComparison.Ordinal));
        var run = CommandRun.Of("sweep", _project.Recipe, "--output", _project.PathOf("sweep"), "--grid", grid);
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
        Assert.False(File.Exists(_project.PathOf("sweep/sweep.json")));
    }

    [Fact]
    public void Help_and_mistakes_name_the_grid()
    {
        Assert.Contains("--grid", CommandRun.Of("sweep", "--help").Output, StringComparison.Ordinal);
        var missing = CommandRun.Of("sweep", _project.Recipe);
        Assert.Equal(ExitCodes.BadInput, missing.ExitCode);
        Assert.Contains("--grid", missing.Error, StringComparison.Ordinal);
        Assert.Contains("no equals sign", CommandRun.Of("sweep", "--grid", "learning-rate=1", _project.Recipe).Error, StringComparison.Ordinal);
    }

    /// <summary>Whether the page names each key of a JSON value.</summary>
    private static void Documented(JsonElement json, string page)
    {
        foreach (var property in json.EnumerateObject())
            Assert.True(page.Contains($"`{property.Name}`", StringComparison.Ordinal), $"docs/sweep.md does not say what {property.Name} is");
        foreach (var property in json.GetProperty("trials")[0].EnumerateObject().Concat(json.GetProperty("best").EnumerateObject()))
            Assert.True(page.Contains($"`{property.Name}`", StringComparison.Ordinal), $"docs/sweep.md does not say what {property.Name} is");
    }

    private TrainResult Train(string folder, params string[] sets) => _project.Train(folder, [.. Stored, .. sets]);

    private SweepResult Sweep(IReadOnlyList<string> grid, params string[] sets) => Sweep(grid, null, default, sets);

    private SweepResult Sweep(IReadOnlyList<string> grid, ITrainingObserver? observer, CancellationToken cancellation, params string[] sets)
    {
        var recipe = Recipe.Load(_project.Recipe, Registries.Create(), [.. Stored, .. sets]);
        return new SweepJob(recipe, new SweepJobOptions { Output = _project.PathOf("sweep"), Grid = grid }, observer).Run(cancellation);
    }

    private string[] Stored => [$"prefix.location={_project.PathOf("features")}", "prefix.cache=on"];

    /// <summary>Stops when a line of the log begins with a text.</summary>
    private sealed class CancelAt(CancellationTokenSource source, string line) : ITrainingObserver
    {
        public void Note(string message)
        {
            if (message.StartsWith(line, StringComparison.Ordinal)) source.Cancel();
        }
    }
}
