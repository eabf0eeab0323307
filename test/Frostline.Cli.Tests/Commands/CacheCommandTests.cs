using System.Diagnostics;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

public sealed class CacheCommandTests : IDisposable
{
    private static readonly FeatureSchema s_schema = new(new TensorInfo("pool", TensorType.Float32, [512]));
    private static readonly string s_a = new('a', 32);
    private static readonly string s_b = new('b', 32);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_list_shows_each_store()
    {
        Make(s_a, records: 3, daysAgo: 0);
        Make(s_b, records: 1, daysAgo: 3);
        var run = Run("list");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Matches("^store +of +records +size +last used +remarks$", lines[0]);
        Assert.Matches($"^{s_a}  engine libtorch, network resnet18 +3  +[0-9.]+ kB  20[-0-9]+ [0-9:]+$", lines[2]);
        Assert.Equal($"2 stores in {_folder.Path}", lines[5].Split(',')[0]);

        var json = Run("list", "--json").Json();
        Assert.Equal(_folder.Path, json.GetProperty("location").GetString());
        var first = json.GetProperty("stores")[0];
        Assert.Equal(s_a, first.GetProperty("identity").GetString());
        Assert.Equal(3, first.GetProperty("records").GetInt64());
        Assert.Equal("resnet18", first.GetProperty("description").GetProperty("network").GetString());
        Assert.Equal("pool", first.GetProperty("tensors")[0].GetProperty("name").GetString());
        Assert.False(first.GetProperty("inUse").GetBoolean());
    }

    [Fact]
    public void An_empty_location_is_no_error()
    {
        var empty = _folder.PathOf("none");
        foreach (var command in new string[][] { ["list"], ["verify"], ["prune", "--older-than", "1d"] })
        {
            var run = CommandRun.Of(["cache", .. command, "--location", empty]);
            Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
            Assert.StartsWith("0 stores ", run.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Verify_reports_damage_by_its_exit_code_and_drops_it_where_asked()
    {
        Make(s_a, records: 3, daysAgo: 0);
        Assert.Equal(ExitCodes.Success, Run("verify").ExitCode);
        var data = Path.Combine(_folder.Path, s_a, "0000.0.data");
        var bytes = File.ReadAllBytes(data);
        bytes[9] ^= 1;
        File.WriteAllBytes(data, bytes);

        var run = Run("verify");
        Assert.Equal(ExitCodes.Different, run.ExitCode);
        Assert.Matches($"{s_a} +2 +1 +0\n", run.Output);
        Assert.Contains("1 not sound", run.Output, StringComparison.Ordinal);
        run = Run("verify", "--drop", "--json");
        Assert.Equal(ExitCodes.Different, run.ExitCode);
        Assert.Equal(1, run.Json().GetProperty("stores")[0].GetProperty("dropped").GetInt64());
        Assert.Contains("all sound", Run("verify").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Prune_removes_by_age_and_by_size()
    {
        Make(s_a, records: 3, daysAgo: 1);
        Make(s_b, records: 3, daysAgo: 40);
        var run = Run("prune", "--older-than", "30d", "--json");
        Assert.Equal(s_b, Assert.Single(run.Json().GetProperty("removed").EnumerateArray()).GetProperty("identity").GetString());
        Assert.StartsWith("0 stores removed", Run("prune", "--max-size", "1.5GB").Output, StringComparison.Ordinal);
        Assert.Contains("1 store removed from", Run("prune", "--max-size", "1kb").Output, StringComparison.Ordinal);
        Assert.Empty(FeatureStores.List(_folder.Path));
    }

    [Theory]
    [InlineData("--older-than", "30")]
    [InlineData("--older-than", "-3d")]
    [InlineData("--older-than", "d")]
    [InlineData("--older-than", "99999d")]
    [InlineData("--max-size", "10XB")]
    [InlineData("--max-size", "much")]
    [InlineData("--max-size", "99999999999999999999TB")]
    public void A_bad_age_or_size_is_one_line(string option, string value)
    {
        Make(s_a, records: 1, daysAgo: 400);
        var run = Run("prune", $"{option}={value}");
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches($@"\Afrostline: {option} takes [^\n]*\n\z", run.Error);
        Assert.Single(FeatureStores.List(_folder.Path));
    }

    [Fact]
    public void Prune_without_a_criterion_removes_nothing()
    {
        Make(s_a, records: 1, daysAgo: 400);
        var run = Run("prune");
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Contains("--older-than", run.Error, StringComparison.Ordinal);
        Assert.Single(FeatureStores.List(_folder.Path));
    }

    [Fact]
    public void Neither_libtorch_nor_TorchSharp_is_loaded()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "a process's mapped files are read from /proc");

        // More text than a pipe holds: once its first line has come, the program waits in the middle of its output.
        Make(s_a, records: 1, daysAgo: 0, network: new string('n', 300_000));
        var program = Path.Combine(AppContext.BaseDirectory, "frostline.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, "cache", "list", "--location", _folder.Path])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        })!;
        process.StandardOutput.ReadLine();
        var loaded = File.ReadLines($"/proc/{process.Id}/maps").Select(line => Path.GetFileName(line)).ToHashSet(StringComparer.Ordinal);
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(ExitCodes.Success, process.ExitCode);
        Assert.Contains("Frostline.Core.dll", loaded);
        Assert.DoesNotContain(loaded, file =>
            file.Contains("torch", StringComparison.OrdinalIgnoreCase) || file is "Frostline.Vision.dll" or "Frostline.Training.dll");
    }

    private CommandRun Run(params string[] args) => CommandRun.Of(["cache", .. args, "--location", _folder.Path]);

    private void Make(string identity, int records, int daysAgo, string network = "resnet18")
    {
        var description = new Dictionary<string, string> { ["network"] = network, ["engine"] = "libtorch" };
        using (var store = FeatureStore.Open(_folder.Path, identity, s_schema, new FeatureStoreOptions { Description = description }))
        {
            for (var i = 0; i < records; i++) store.Write(new FeatureKey((UInt128)(uint)i), new byte[2048]);
        }

        File.SetLastWriteTimeUtc(Path.Combine(_folder.Path, identity, "in-use.lock"), DateTime.UtcNow.AddDays(-daysAgo));
    }
}
