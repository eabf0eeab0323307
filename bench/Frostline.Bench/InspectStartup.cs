using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Frostline.Checkpoints;

namespace Frostline.Bench;

/// <summary>The time of <c>frostline inspect FILE</c> from the start of the process to its end, with warm files.</summary>
internal static class InspectStartup
{
    private const int Runs = 20;
    private const int WarmUps = 3;
    private const double LimitMilliseconds = 150;

    public static int Run(string? file)
    {
        var repository = Repository();
        var published = Path.Combine(repository, "artifacts", "bench", "frostline");
        Publish(repository, published);
        file ??= MakeCheckpoint(Path.Combine(repository, "artifacts", "bench", "250MB.safetensors"));

        var program = Path.Combine(published, OperatingSystem.IsWindows() ? "frostline.exe" : "frostline");
        for (var i = 0; i < WarmUps; i++) Time(program, file);
        var times = Enumerable.Range(0, Runs).Select(_ => Time(program, file)).Order().ToList();
        var median = (times[(Runs / 2) - 1] + times[Runs / 2]) / 2;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"""
            | frostline inspect, {new FileInfo(file).Length / 1e6:F0} MB | milliseconds |
            | --- | ---: |
            | median of {Runs} | {median:F0} |
            | fastest | {times[0]:F0} |
            | slowest | {times[^1]:F0} |
            | limit for the median | {LimitMilliseconds:F0} |
            """));
        return median < LimitMilliseconds ? 0 : 1;
    }

    private static double Time(string program, string file)
    {
        var clock = Stopwatch.StartNew();
        Start(program, "inspect", file);
        return clock.Elapsed.TotalMilliseconds;
    }

    private static void Publish(string repository, string folder) =>
        Start(
            "dotnet", "publish", Path.Combine(repository, "src", "Frostline.Cli"), "-c", "Release",
            "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained", "false", "-o", folder, "-v", "quiet");

    private static string MakeCheckpoint(string path)
    {
        // As many tensors as an HRNet has, of 250 MB in all.
        var tensors = Enumerable.Range(0, 1752)
            .Select(i => new TensorInfo($"stage{i / 438}.{i % 438}.weight", TensorType.Float32, [35_674]))
            .Select(info => TensorSource.From(info, new byte[info.ByteCount]));
        SafetensorsWriter.Write(path, [.. tensors]);
        return path;
    }

    private static void Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with exit code {process.ExitCode}");
    }

    private static string Repository([CallerFilePath] string path = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", ".."));
}
