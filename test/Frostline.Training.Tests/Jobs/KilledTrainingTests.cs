using Frostline.Testing;
using Frostline.Training.Runs;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class KilledTrainingTests
{
    private const int Kills = 20;

    private const string Extra =
        """

          accumulate: 2
          ema: 0.9
          mixup: 0.3
          clip-gradient-norm: 1
          schedule: { name: cosine, warm-up: 1 }
        """;

    /// <summary>Every training passes through three phases.</summary>
    private static string Text => RecipeBench.Text.Replace(
        "  - freeze: \"body | norm\"",
        """
          - freeze: "body | norm"
          - { from-epoch: 1, train: body, learning-rate: 0.5x, warm-up: 1 }
          - { from-epoch: 2, train: norm }
          - { from-epoch: 3, freeze: body }
        """,
        StringComparison.Ordinal).Replace("checkpoint-every: 2", "checkpoint-every: 1", StringComparison.Ordinal)
        .Replace("epochs: 4", "epochs: 8", StringComparison.Ordinal) + Extra;

    [Fact]
    public void KilledTwentyTimesAlsoWhileACheckpointIsWrittenAndResumedGivesTheSameBytes()
    {
        using var bench = new RecipeBench();
        var recipe = bench.PathOf("recipe.yaml");
        File.WriteAllText(recipe, Text);
        bench.Train(bench.Parse(Text), "straight");

        var random = new CounterRandom(3, "kill");
        var (kills, half) = (0, 0);
        var epochs = new HashSet<int>();
        // Kills are spread over the epochs; within one they come anywhere.
        bool Trains() => RunUntil(
            recipe, bench.PathOf("killed"), kills < Kills ? 1 + random.NextInt32(6) : int.MaxValue, epoch: 1 + (kills * 7 / Kills), whileWriting: kills % 2 == 1);
        while (!Trains())
        {
            kills++;
            if (File.Exists(bench.Folder("killed").Last))
            {
                using var checkpoint = TrainingCheckpoint.Open(bench.Folder("killed").Last);
                epochs.Add(checkpoint.State.Epoch);
            }

            half += Directory.EnumerateFiles(bench.Folder("killed").Path, "*.tmp", SearchOption.AllDirectories).Count();
            Assert.False(File.Exists(bench.Folder("killed").Model));
        }

        Assert.Equal(Kills, kills);
        Assert.True(epochs.Max() > 3, $"kills came in the epochs {string.Join(", ", epochs)} only; the test shows less than it says");
        Assert.True(half > 0, "no kill came while a file was written; the test shows less than it says");
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
    /// <param name="recipe">The recipe.</param>
    /// <param name="output">The run folder.</param>
    /// <param name="lines">The least number of batches.</param>
    /// <param name="epoch">The first epoch, from 1, in which it may be killed.</param>
    /// <param name="whileWriting">Whether the kill waits until a file is being written.</param>
    /// <returns>Whether it came to its end.</returns>
    private static bool RunUntil(string recipe, string output, int lines, int epoch, bool whileWriting)
    {
        using var process = ChildProcess.Start(ChildProcess.Program, "train", recipe, output);
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            for (var (seen, at) = (0, 0); seen < lines || at < epoch; seen++)
            {
                if (process.StandardOutput.ReadLine() is not { } line) Assert.Fail($"the child ended early: {errors.GetAwaiter().GetResult()}");
                else if (line == "done") break;
                else at = int.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
            }

            if (whileWriting && lines < int.MaxValue) WaitForHalfAFile(Path.Combine(output, "checkpoint"), process);
        }
        finally
        {
            if (lines < int.MaxValue) process.Kill();
            process.WaitForExit();
        }

        return lines == int.MaxValue && process.ExitCode == 0;
    }

    private static void WaitForHalfAFile(string folder, System.Diagnostics.Process process)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!process.HasExited && clock.Elapsed.TotalSeconds < 20)
        {
            if (Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.tmp").Any()) return;
        }
    }
}
