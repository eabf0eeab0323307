using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests;

/// <summary>The benchmark of trainings, on few and small images; how fast anything is is not looked at.</summary>
public sealed class TrainingComparisonTests
{
    private static string Program
    {
        get
        {
            var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(Fixtures.Repository, "bench", "Frostline.Bench", "bin", output.Parent!.Name, output.Name, "Frostline.Bench.dll");
        }
    }

    [Fact]
    public void Every_side_trains_and_every_case_has_its_row()
    {
        PythonPeer.Run("PIL", "");
        PythonPeer.Run("torch", "");
        var result = ChildProcess.Run(Program, TimeSpan.FromMinutes(5), "training", "--quick");
        Assert.True(result.ExitCode == 0, result.Errors);
        var cases = result.Output.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(2).Select(line => line.Split(' ')[1]);
        Assert.Equal(["head", "head-once", "head-python", "cold", "memory", "sweep", "last-layer", "full", "pose", "from-disk", "head-step"], cases);
        Assert.DoesNotContain("NaN", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_case_that_does_not_exist_is_refused()
    {
        var result = ChildProcess.Run(Program, TimeSpan.FromMinutes(1), "training", "--case", "heads");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("head-once", result.Errors, StringComparison.Ordinal);
    }
}
