using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

[Collection(LibTorchCollection.Name)]
public sealed class TrainCommandTests : IDisposable
{
    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    [Fact]
    public void Training_shows_the_plan_and_each_epoch_and_says_at_the_end_that_nothing_frozen_moved()
    {
        var run = Train();
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("8 samples to train on, 4 to validate on", run.Output, StringComparison.Ordinal);
        Assert.Contains("frost line: head", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\nepoch 1: training loss [^\n]+; validation [^\n]*accuracy [^\n]+\nepoch 2: ", run.Output);
        Assert.Matches(@"\naudit: \d+ frozen tensors, none moved by a bit\nrun folder: [^\n]+\n\z", run.Output);
        foreach (var file in new[] { "summary.json", "model.safetensors", "metrics.jsonl", "recipe.yaml", "log.txt" })
            Assert.True(File.Exists(Path.Combine(_project.Run, file)), file);
    }

    [Fact]
    public void With_json_standard_output_is_the_summary_and_nothing_else()
    {
        var run = Train("--json");
        Assert.Equal(ExitCodes.Success, run.ExitCode);
        var json = run.Json();
        Assert.Equal(0, json.GetProperty("audit").GetProperty("moved").GetInt32());
        Assert.Equal(2, json.GetProperty("epochs").GetArrayLength());
        Assert.Contains("epoch 2: ", run.Error, StringComparison.Ordinal);
        using var written = JsonDocument.Parse(File.ReadAllText(Path.Combine(_project.Run, "summary.json")));
        Assert.Equal(written.RootElement.GetRawText(), json.GetRawText());
    }

    [Fact]
    public void A_folder_that_holds_a_run_is_refused_and_a_finished_run_is_reported_again()
    {
        Assert.Equal(ExitCodes.Success, Train().ExitCode);
        var again = Train();
        Assert.Equal((ExitCodes.BadInput, ""), (again.ExitCode, again.Output));
        Assert.Contains("holds a run already", again.Error, StringComparison.Ordinal);
        Assert.Contains("audit: ", Train("--resume").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Stopping_saves_everything_and_resuming_ends_with_the_same_bytes()
    {
        var stopped = CommandRun.Of(["train", _project.Recipe, "--output", _project.Run], new CancellationToken(canceled: true));
        Assert.Equal(ExitCodes.Interrupted, stopped.ExitCode);
        Assert.Contains("--resume goes on from here", stopped.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Success, Train("--resume").ExitCode);
        var straight = _project.PathOf("straight");
        Assert.Equal(ExitCodes.Success, CommandRun.Of("train", _project.Recipe, "--output", straight).ExitCode);
        Assert.Equal(File.ReadAllBytes(Path.Combine(straight, "model.safetensors")), File.ReadAllBytes(_project.Model));
    }

    [Fact]
    public void Frozen_random_weights_are_refused()
    {
        var run = Train("--set", "initialize=[{ draw: \"**\", scheme: resnet }]");
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Matches(@"\Afrostline: [^\n]*frozen without having been loaded[^\n]*\n\z", run.Error);
        Assert.False(File.Exists(_project.Model));
    }

    [Fact]
    public void A_person_sees_bars_and_a_line_an_epoch()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var terminal = new Terminal(output, error, static _ => true);
        string[] args = ["train", _project.Recipe, "--output", _project.Run];
        var exitCode = CommandHost.Run(args, terminal, TestContext.Current.CancellationToken);
        Assert.Equal(ExitCodes.Success, exitCode);
        Assert.Contains("epoch 2: training loss", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Ctrl_C_stops_the_program_with_everything_saved()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "signals are sent by the program kill");
        string[] args =
        [
            Path.Combine(AppContext.BaseDirectory, "frostline.dll"), "train", _project.Recipe, "--output", _project.Run,
            "--set", "train.epochs=100000",
        ];
        using var process = Start("dotnet", args);
        while (process.StandardOutput.ReadLine() is { } line && !line.StartsWith("epoch 1:", StringComparison.Ordinal))
        {
        }

        using (var kill = Start("kill", "-INT", process.Id.ToString(CultureInfo.InvariantCulture))) kill.WaitForExit();
        var rest = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(ExitCodes.Interrupted, process.ExitCode);
        Assert.Contains("--resume goes on from here", rest, StringComparison.Ordinal);
        Assert.Equal("frostline: stopping; press Ctrl-C again to end at once\n", process.StandardError.ReadToEnd());
        Assert.True(File.Exists(Path.Combine(_project.Run, "checkpoint", "last.safetensors")));
    }

    private static Process Start(string program, params string[] args) => Process.Start(new ProcessStartInfo(program, args)
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private CommandRun Train(params string[] more) => CommandRun.Of(["train", _project.Recipe, "--output", _project.Run, .. more]);
}
