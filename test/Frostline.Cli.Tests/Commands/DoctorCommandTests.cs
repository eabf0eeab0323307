using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

[Collection(LibTorchCollection.Name)]
public sealed class DoctorCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Extension =>
        Path.Combine(AppContext.BaseDirectory.Replace("Frostline.Cli.Tests", "Frostline.TestExtension", StringComparison.Ordinal), "Frostline.TestExtension.dll");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Findings_are_printed_with_their_remedy_and_an_error_ends_with_exit_code_2()
    {
        var run = CommandRun.Of("doctor", Recipe("unused-branch"));
        Assert.Equal(
            """
            error: branch: its 4 trained parameters get no gradient: the loss does not depend on that
              remedy: use it in forward, or freeze "branch"
            note: body: frozen, and yet it runs backward and keeps activations, for the sake of what is trained below: stem
              remedy: nothing, where that has to be trained; else freeze stem too
            1 error, 1 note

            """,
            run.Output);
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Matches(@"\Afrostline: train would stop: [^\n]*faulty\.yaml:8:9: branch: [^\n]+; use it in forward, or freeze ""branch""\n\z", run.Error);
    }

    [Fact]
    public void Without_an_error_the_exit_code_is_0()
    {
        var run = CommandRun.Of("doctor", Recipe("none"), "--set", "freeze=[]");
        Assert.Equal((ExitCodes.Success, "nothing found\n", ""), (run.ExitCode, run.Output, run.Error));
        var noted = CommandRun.Of("doctor", Recipe("none"));
        Assert.Equal((ExitCodes.Success, ""), (noted.ExitCode, noted.Error));
        Assert.EndsWith("1 note\n", noted.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_is_all_of_standard_output()
    {
        var run = CommandRun.Of("doctor", Recipe("branch-without-grad"), "--json");
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        var json = run.Json();
        var finding = json.GetProperty("phases")[0].GetProperty("findings")[0];
        Assert.Equal(("beneath-no-grad", "error", "branch"), (Text(finding, "kind"), Text(finding, "severity"), Text(finding, "module")));
        Assert.Equal($"frostline: train would stop: {Text(json, "refusal")}\n", run.Error);
        Assert.Equal(JsonValueKind.Null, CommandRun.Of("doctor", Recipe("none"), "--json").Json().GetProperty("refusal").ValueKind);
    }

    [Fact]
    public void Train_stops_with_the_same_line_and_nothing_but_a_log()
    {
        var recipe = Recipe("detached-branch");
        var doctor = CommandRun.Of("doctor", recipe);
        var train = CommandRun.Of("train", recipe, "--output", _folder.PathOf("run"));
        Assert.Equal(ExitCodes.BadInput, train.ExitCode);
        Assert.Equal(doctor.Error.Replace("train would stop: ", "", StringComparison.Ordinal), train.Error);
        Assert.Equal(["log.txt"], Directory.GetFiles(_folder.PathOf("run"), "*", SearchOption.AllDirectories).Select(Path.GetFileName));
        // The remedy that it names; the folder can be used.
        var mended = CommandRun.Of("train", recipe, "--output", _folder.PathOf("run"), "--set", "freeze[1].freeze=branch");
        Assert.Equal((ExitCodes.Success, ""), (mended.ExitCode, mended.Error));
        Assert.Contains("note: body: frozen, and yet it runs backward", mended.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_written()
    {
        var recipe = Recipe("none");
        CommandRun.Of("doctor", recipe);
        Assert.Equal([recipe], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_small_project_and_the_quickstart_are_healthy()
    {
        using var project = new TinyProject();
        var tiny = CommandRun.Of("doctor", project.Recipe);
        Assert.Equal((ExitCodes.Success, "nothing found\n", ""), (tiny.ExitCode, tiny.Output, tiny.Error));
        foreach (var example in new[] { "quickstart", "scratch", "four-channels" })
        {
            var run = CommandRun.Of("doctor", Path.Combine(Fixtures.Repository, "examples", $"{example}.yaml"));
            Assert.Equal((ExitCodes.Success, "nothing found\n", ""), (run.ExitCode, run.Output, run.Error));
        }
    }

    private string Recipe(string fault)
    {
        var path = _folder.PathOf("faulty.yaml");
        File.WriteAllText(
            path,
            $$"""
            version: 1
            seed: 7
            threads: 1
            assemblies: [ '{{Extension}}' ]
            allow-random: true
            model: { name: faulty, fault: {{fault}} }
            initialize: [ { draw: "**", scheme: pytorch } ]
            freeze: [ { freeze: body } ]
            data:
              train: { name: points, count: 16 }
            train: { epochs: 1, batch-size: 4, optimizer: { name: sgd, learning-rate: 0.01 } }
            """);
        return path;
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();
}
