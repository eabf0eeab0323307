using System.Text.Json;
using Frostline.Autograd;
using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class DoctorJobTests : IDisposable
{
    private const string Text =
        """
        version: 1
        name: faulty
        seed: 11
        threads: 1
        model: { name: faulty, fault: none }
        initialize:
          - draw: "**"
            scheme: pytorch
        allow-random: true
        freeze: []
        data:
          train: { name: points, count: 48 }
        train:
          epochs: 2
          batch-size: 8
          optimizer: { name: sgd, learning-rate: 0.1 }
        """;

    private readonly RecipeBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData("model.fault=unused-branch", FindingKind.Unreachable, "branch")]
    [InlineData("model.fault=detached-branch", FindingKind.Detached, "branch")]
    [InlineData("model.fault=hidden-branch-without-grad", FindingKind.Detached, "branch")]
    [InlineData("model.fault=branch-without-grad", FindingKind.BeneathNoGrad, "branch")]
    [InlineData("model.fault=detached-output", FindingKind.LossWithoutGradient, "")]
    [InlineData("model.fault=not-a-number", FindingKind.LossNotFinite, "")]
    [InlineData("data.train.count=33", FindingKind.BatchOfOne, "body.norm")]
    [InlineData("train.batch-size=1", FindingKind.BatchOfOne, "body.norm")]
    public void A_faulty_recipe_has_the_error_it_should(string fault, FindingKind kind, string module)
    {
        var report = new DoctorJob(_bench.Parse(Text, fault)).Run();
        var finding = report.Phases[0].Findings[0];
        Assert.Equal((kind, FindingSeverity.Error, module), (finding.Kind, finding.Severity, finding.Module));
        Assert.Contains(finding.What, report.Refusal, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', report.Refusal!);
    }

    [Theory]
    [InlineData("initialize[1]={ set: head.weight, value: 0 }", FindingKind.ZeroGradient, FindingSeverity.Warning, "stem")]
    [InlineData("model.fault=dead-branch", FindingKind.ZeroGradient, FindingSeverity.Warning, "branch")]
    [InlineData("freeze=[{ of: \"stem | body\", parameters: off }]", FindingKind.ActiveDropout, FindingSeverity.Warning, "body")]
    [InlineData("freeze=[{ freeze: body }]", FindingKind.HeldActivations, FindingSeverity.Note, "body")]
    public void A_doubtful_recipe_has_a_finding_and_no_error(string fault, FindingKind kind, FindingSeverity severity, string module)
    {
        var report = new DoctorJob(_bench.Parse(Text, fault)).Run();
        Assert.Equal((kind, severity, module), (report.Phases[0].Findings[0].Kind, report.Phases[0].Findings[0].Severity, report.Phases[0].Findings[0].Module));
        Assert.Null(report.Refusal);
        Assert.Equal(2, _bench.Train(_bench.Parse(Text, fault)).Summary.Epochs.Count);
    }

    [Theory]
    [InlineData("train.epochs=1")]
    [InlineData("data.train.count=34")]
    [InlineData("freeze=[{ freeze: \"** & !head\" }]")]
    [InlineData("train.accumulate=2")]
    public void A_healthy_recipe_has_no_finding(string change)
    {
        var report = new DoctorJob(_bench.Parse(Text, change)).Run();
        Assert.Empty(report.Phases[0].Findings);
        Assert.Empty(report.Phases[0].Remarks);
        Assert.Null(report.Refusal);
    }

    [Fact]
    public void The_bench_s_own_recipe_is_healthy_also_with_several_labels()
    {
        Assert.Empty(new DoctorJob(_bench.Parse()).Run().Phases.Single().Findings);
        var many = RecipeBench.Text.Replace("points, count", "points, multi-label: true, count", StringComparison.Ordinal);
        Assert.Empty(new DoctorJob(_bench.Parse(many, "train.mixup=0.2")).Run().Phases.Single().Findings);
    }

    [Fact]
    public void A_norm_that_is_held_bears_a_last_batch_of_one() =>
        Assert.Empty(new DoctorJob(_bench.Parse(Text, "data.train.count=33", "freeze=[{ freeze: \"stem | body\" }]")).Run().Phases.Single().Findings);

    [Fact]
    public void Errors_stand_at_their_place_in_the_recipe()
    {
        Assert.StartsWith("recipe.yaml:10:9: branch: its 4 ", new DoctorJob(_bench.Parse(Text.Replace("fault: none", "fault: unused-branch", StringComparison.Ordinal))).Run().Refusal, StringComparison.Ordinal);
        Assert.StartsWith("recipe.yaml:15:15: body.norm: ", new DoctorJob(_bench.Parse(Text.Replace("count: 48", "count: 41", StringComparison.Ordinal))).Run().Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_findings()
    {
        using var json = JsonDocument.Parse(new DoctorJob(_bench.Parse(Text, "model.fault=unused-branch", "freeze=[{ freeze: body }]")).Run().ToJson());
        var findings = json.RootElement.GetProperty("phases")[0].GetProperty("findings");
        Assert.Equal(2, findings.GetArrayLength());
        Assert.Equal("unreachable", findings[0].GetProperty("kind").GetString());
        Assert.Equal("error", findings[0].GetProperty("severity").GetString());
        Assert.Equal("branch", findings[0].GetProperty("module").GetString());
        Assert.Equal(4, findings[0].GetProperty("names").GetArrayLength());
        Assert.NotEqual("", findings[0].GetProperty("what").GetString());
        Assert.Equal("use it in forward, or freeze \"branch\"", findings[0].GetProperty("remedy").GetString());
        Assert.Equal("held-activations", findings[1].GetProperty("kind").GetString());
        Assert.Equal("faulty", json.RootElement.GetProperty("name").GetString());
    }

    [Fact]
    public void Training_stops_on_an_error_before_anything_is_written_and_the_remedy_helps()
    {
        var error = Assert.Throws<RecipeException>(() => _bench.Train(_bench.Parse(Text, "model.fault=detached-branch", "freeze=[{ freeze: body }]")));
        Assert.Contains("branch: its 4 trained parameters get no gradient: ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("or freeze \"branch\"", error.Message, StringComparison.Ordinal);
        var folder = _bench.Folder();
        Assert.All(new[] { folder.Recipe, folder.InitialValues, folder.Model, folder.Last, folder.Metrics, folder.Summary }, path => Assert.False(File.Exists(path), path));
        Assert.Contains("failed: ", File.ReadAllText(folder.Log), StringComparison.Ordinal);
        Assert.Equal(0, _bench.Train(_bench.Parse(Text, "model.fault=detached-branch", "freeze=[{ freeze: branch }]")).Summary.Audit.Moved);
    }

    [Fact]
    public void Training_notes_what_is_no_error()
    {
        _bench.Train(_bench.Parse(Text, "freeze=[{ freeze: \"body.norm\" }, { of: stem, parameters: off }, { of: body.linear, parameters: off }, { train: stem.bias }]"));
        var log = File.ReadAllText(_bench.Folder().Log);
        Assert.Contains("warning: body: its parameters are frozen and body.drop is active", log, StringComparison.Ordinal);
        Assert.Contains("note: body: frozen, and yet it runs backward", log, StringComparison.Ordinal);
    }

    [Fact]
    public void A_loss_that_is_no_number_is_left_to_the_first_step_which_names_the_sample()
    {
        var broken = _bench.Parse(Text, "data.train={ name: points, count: 8, broken: 5 }");
        Assert.Equal(FindingKind.LossNotFinite, Assert.Single(new DoctorJob(broken).Run().Phases.Single().Findings).Kind);
        Assert.Contains("of point-5 is not finite", Assert.Throws<TrainingDivergedException>(() => _bench.Train(broken)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("freeze=[]")]
    [InlineData("freeze=[{ freeze: body }]")]
    public void Training_begins_with_the_values_that_the_plan_was_applied_to(string freeze)
    {
        var prepared = new Prepared();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        // Cancelled before its first batch, a training saves what it would have begun with, the diagnosis behind it.
        _bench.Train(_bench.Parse(Text, freeze), observer: prepared, cancellation: cancelled.Token);
        using var last = Checkpoint.Open(_bench.Folder().Last);
        Assert.NotEmpty(prepared.Fingerprints!.Names);
        Assert.All(prepared.Fingerprints.Names, name => Assert.Equal(prepared.Fingerprints.Find(name)!.Hash, HashOf(last.Read($"model.{name}"))));
    }

    [Fact]
    public void Each_phase_is_looked_at_and_says_what_it_adds()
    {
        const string Phases = "freeze=[{ freeze: \"stem | body\" }, { train: stem, from-epoch: 1 }, { freeze: head, from-plateau: 1 }]";
        var report = new DoctorJob(_bench.Parse(Text, Phases, "train.plateau=1")).Run();
        Assert.Equal([(1, 0), (2, 0), (2, 1)], report.Phases.Select(phase => (phase.Epoch, phase.Plateaus)));
        Assert.Equal(["", "body", "head"], report.Phases.Select(phase => phase.Findings.SingleOrDefault()?.Module ?? ""));
        Assert.Equal(
            """
            after 1 epoch
            note: body: frozen, and yet it runs backward and keeps activations, for the sake of what is trained below: stem
              remedy: nothing, where that has to be trained; else freeze stem too
            1 note

            after plateau 1
            note: head: frozen, and yet it runs backward and keeps activations, for the sake of what is trained below: stem, branch
              remedy: nothing, where that has to be trained; else freeze stem, branch too
            1 note

            """,
            report.Describe());
    }

    [Fact]
    public void Phases_in_which_nothing_is_found_are_one_line()
    {
        const string Phases = "freeze=[{ freeze: \"stem | body\" }, { train: body, from-epoch: 1 }]";
        Assert.Equal("nothing found in 2 phases\n", new DoctorJob(_bench.Parse(Text, Phases)).Run().Describe());
    }

    [Fact]
    public void A_false_error_can_be_overruled()
    {
        // Stops by default; the branch is left out of this batch as an expert is that the data do not choose.
        Assert.Throws<RecipeException>(() => _bench.Train(_bench.Parse(Text, "model.fault=unused-branch")));

        var warned = _bench.Parse(Text, "model.fault=unused-branch", "train.diagnosis=warn");
        var report = new DoctorJob(warned).Run();
        Assert.Equal((null, FindingKind.Unreachable), (report.Refusal, report.Phases[0].Findings[0].Kind));
        Assert.Equal(2, _bench.Train(warned).Summary.Epochs.Count);
        Assert.Contains("error, and trained all the same: branch: its 4 trained parameters get no gradient", File.ReadAllText(_bench.Folder().Log), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_diagnosis_nothing_is_looked_at()
    {
        var off = _bench.Parse(Text, "model.fault=unused-branch", "train.diagnosis=off");
        Assert.Equal(2, _bench.Train(off).Summary.Epochs.Count);
        Assert.DoesNotContain("trained parameters get no gradient", File.ReadAllText(_bench.Folder().Log), StringComparison.Ordinal);
        Assert.Null(new DoctorJob(off).Run().Refusal);
        // What no training survives is refused all the same.
        Assert.NotNull(new DoctorJob(_bench.Parse(Text, "model.fault=not-a-number", "train.diagnosis=warn")).Run().Refusal);
    }

    [Fact]
    public void Training_stops_before_it_begins_on_an_error_of_a_later_phase()
    {
        var recipe = _bench.Parse(Text, "model.fault=detached-branch", "freeze=[{ freeze: branch }, { train: branch, from-epoch: 1 }]");
        Assert.Contains(": after 1 epoch: branch: its 4 trained parameters get no gradient: ", Assert.Throws<RecipeException>(() => _bench.Train(recipe)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_bench.Folder().Last));
    }

    [Fact]
    public void What_may_not_be_frozen_is_refused_as_in_training()
    {
        var recipe = _bench.Parse(Text, "allow-random=false", "freeze=[{ freeze: body }]");
        var error = Assert.Throws<RecipeException>(() => new DoctorJob(recipe).Run());
        Assert.Equal(error.Message, Assert.Throws<RecipeException>(() => _bench.Train(recipe)).Message);
        Assert.Contains("frozen without having been loaded", error.Message, StringComparison.Ordinal);
    }

    private static string HashOf(byte[] bytes) => Convert.ToHexStringLower(System.IO.Hashing.XxHash128.Hash(bytes));

    private sealed class Prepared : ITrainingObserver
    {
        public Fingerprints? Fingerprints { get; private set; }

        void ITrainingObserver.Prepared(FrozenModel frozen, InitializationReport initialization) => Fingerprints = Fingerprints.Of(frozen.Network);
    }
}
