using System.Diagnostics;
using System.Text.Json;

namespace Frostline.Bench.Comparison;

/// <summary>Who trains.</summary>
internal enum Side
{
    /// <summary>A recipe of Frostline's.</summary>
    Frostline,

    /// <summary>A recipe of Frostline's, for many trials together.</summary>
    Sweep,

    /// <summary>The usual loop in TorchSharp, which runs the frozen part in every epoch.</summary>
    Usual,

    /// <summary>A loop in TorchSharp that computes the features once and keeps them in memory.</summary>
    ExtractOnce,

    /// <summary>The usual loop in PyTorch.</summary>
    Python,
}

/// <summary>Runs a side in a process of its own, with the allocator set as Frostline sets it.</summary>
internal static class SideProcess
{
    /// <summary>The subcommand of this program that is a side.</summary>
    public const string Command = "training-side";

    private const string Python = "/usr/bin/python3";

    /// <summary>Runs a side to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed, or said nothing.</exception>
    public static SideRun Run(Side side, TrainingTask task)
    {
        var file = Path.Combine(Repository.Artifacts, $"{task.Name}.task.json");
        File.WriteAllText(file, JsonSerializer.Serialize(task, TrainingTask.Json));
        string[] command = side == Side.Python
            ? [Python, Path.Combine(AppContext.BaseDirectory, "Comparison", "Sides", "resnet50.py"), file]
            : [Environment.ProcessPath!, .. Host(), Command, side.ToString(), file];
        if (task.OneCore) command = ["taskset", "--cpu-list", "0", .. command];
        return Watch(command);
    }

    /// <summary>What the side's process writes as its last line.</summary>
    public static void Write(SideReport report) => Console.WriteLine(JsonSerializer.Serialize(report, Line));

    private static readonly JsonSerializerOptions Line = new(TrainingTask.Json)
    {
        WriteIndented = false,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>What the dotnet host is told where it, and not this program's own file, is what runs.</summary>
    private static string[] Host() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? ["exec", typeof(SideProcess).Assembly.Location] : [];

    private static SideRun Watch(string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (var (name, value) in Repository.Allocator) start.Environment[name] = value;
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        long peak = 0;
        while (!process.WaitForExit(TimeSpan.FromMilliseconds(25))) peak = Math.Max(peak, AnonymousMemory.Of(process.Id));
        process.WaitForExit();
        var seconds = clock.Elapsed.TotalSeconds;
        if (process.ExitCode != 0) throw new InvalidOperationException($"{string.Join(' ', command)} ended with exit code {process.ExitCode}");
        var said = output.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "null";
        var report = JsonSerializer.Deserialize<SideReport>(said, Line) ?? throw new InvalidOperationException($"{string.Join(' ', command)} said nothing");
        return new SideRun(report, seconds, peak);
    }
}
