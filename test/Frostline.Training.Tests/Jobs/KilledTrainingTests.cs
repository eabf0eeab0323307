using Frostline.Testing;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class KilledTrainingTests
{
    private const string Extra =
        """

          accumulate: 2
          ema: 0.9
          mixup: 0.3
          clip-gradient-norm: 1
          schedule: { name: cosine, warm-up: 1 }
        """;

    /// <summary>The child runs from its own folder: it has other dependencies than this program.</summary>
    private static string Child
    {
        get
        {
            var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(
                Fixtures.Repository, "test", "Frostline.ChildProcess", "bin", output.Parent!.Name, output.Name, "Frostline.ChildProcess.dll");
        }
    }

    [Fact]
    public void KilledAtRandomBatchesAndResumedGivesTheSameBytes()
    {
        using var bench = new RecipeBench();
        var recipe = bench.PathOf("recipe.yaml");
        File.WriteAllText(recipe, RecipeBench.Text + Extra);
        bench.Train(bench.Parse(RecipeBench.Text + Extra), "straight");

        var random = new CounterRandom(3, "kill");
        var kills = 0;
        while (!RunUntil(recipe, bench.PathOf("killed"), lines: kills < 5 ? 2 + random.NextInt32(12) : int.MaxValue))
        {
            kills++;
            Assert.False(File.Exists(bench.Folder("killed").Model));
        }

        Assert.Equal(5, kills);
        Assert.Equal(File.ReadAllBytes(bench.Folder("straight").Model), File.ReadAllBytes(bench.Folder("killed").Model));
        Assert.Empty(Directory.EnumerateFiles(bench.Folder("killed").Path, "*.tmp", SearchOption.AllDirectories));
    }

    [Fact]
    public void WhatWasHalfWrittenIsRemovedWhenResuming()
    {
        using var bench = new RecipeBench();
        using (var cancel = new CancelAfter(9)) bench.Train(bench.Parse(), observer: cancel, cancellation: cancel.Token);
        var half = bench.Folder().Last + ".17-abc.tmp";
        File.WriteAllBytes(half, new byte[100]);
        // A line that the checkpoint does not know of.
        File.AppendAllText(bench.Folder().Metrics, "{\"kind\":\"step\",\"ep");
        Assert.True(bench.Train(bench.Parse(), resume: true).IsComplete);
        Assert.False(File.Exists(half));
        Assert.All(File.ReadLines(bench.Folder().Metrics), line => System.Text.Json.JsonDocument.Parse(line).Dispose());
        bench.Train(bench.Parse(), "straight");
        Assert.Equal(File.ReadAllBytes(bench.Folder("straight").Model), File.ReadAllBytes(bench.Folder().Model));
    }

    /// <summary>Trains in a child process and kills it after a number of batches.</summary>
    /// <returns>Whether it came to its end.</returns>
    private static bool RunUntil(string recipe, string output, int lines)
    {
        using var process = ChildProcess.Start(Child, "train", recipe, output);
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            for (var seen = 0; seen < lines; seen++)
            {
                if (process.StandardOutput.ReadLine() is { } line) { if (line == "done") break; }
                else Assert.Fail($"the child ended early: {errors.GetAwaiter().GetResult()}");
            }
        }
        finally
        {
            if (lines < int.MaxValue) process.Kill();
            process.WaitForExit();
        }

        return lines == int.MaxValue && process.ExitCode == 0;
    }
}
