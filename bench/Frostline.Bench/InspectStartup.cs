using System.Diagnostics;
using System.Globalization;
using Frostline.Checkpoints;

namespace Frostline.Bench;

/// <summary><c>frostline inspect FILE</c> from the start of the process to its end, with warm files: time and memory.</summary>
internal static class InspectStartup
{
    private const int Runs = 20;
    private const int WarmUps = 3;
    private const double LimitMilliseconds = 150;
    private const double LimitMegabytes = 100;

    public static int Run(string? file)
    {
        var program = Repository.Publish(Path.Combine("src", "Frostline.Cli"), "frostline");
        file ??= MakeCheckpoint(Path.Combine(Repository.Artifacts, "250MB.safetensors"));
        for (var i = 0; i < WarmUps; i++) Time(program, file);
        var times = Enumerable.Range(0, Runs).Select(_ => Time(program, file)).Order().ToList();
        var median = (times[(Runs / 2) - 1] + times[Runs / 2]) / 2;
        var memory = Enumerable.Range(0, 5).Max(_ => Repository.PeakMemory(program, "inspect", file)) / 1e6;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"""
            | frostline inspect, {new FileInfo(file).Length / 1e6:F0} MB | milliseconds |
            | --- | ---: |
            | median of {Runs} | {median:F0} |
            | fastest | {times[0]:F0} |
            | slowest | {times[^1]:F0} |
            | limit for the median | {LimitMilliseconds:F0} |

            Peak memory {memory:F0} MB (limit {LimitMegabytes:F0} MB).
            """));
        return median < LimitMilliseconds && memory < LimitMegabytes ? 0 : 1;
    }

    private static double Time(string program, string file)
    {
        var clock = Stopwatch.StartNew();
        Repository.Start(program, "inspect", file);
        return clock.Elapsed.TotalMilliseconds;
    }

    private static string MakeCheckpoint(string path)
    {
        // As many tensors as an HRNet has, of 250 MB in all.
        var tensors = Enumerable.Range(0, 1752)
            .Select(i => new TensorInfo($"stage{i / 438}.{i % 438}.weight", TensorType.Float32, [35_674]))
            .Select(info => TensorSource.From(info, new byte[info.ByteCount]));
        SafetensorsWriter.Write(path, [.. tensors]);
        return path;
    }
}
