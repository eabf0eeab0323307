using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Frostline.Bench;

/// <summary>The checkout, and the programs that are measured in it.</summary>
internal static class Repository
{
    /// <summary>
    /// The settings of glibc's allocator that Frostline makes for its own process, for those that it is compared with.
    /// </summary>
    public static readonly IReadOnlyDictionary<string, string> Allocator = new Dictionary<string, string>
    {
        ["MALLOC_MMAP_MAX_"] = "0",
        ["MALLOC_TRIM_THRESHOLD_"] = "2000000000",
        ["MALLOC_TOP_PAD_"] = "268435456",
    };

    private static readonly IReadOnlyDictionary<string, string> s_nothing = new Dictionary<string, string>();

    /// <summary>Its root folder.</summary>
    public static string Root { get; } = Find();

    /// <summary>Where measurements leave their files.</summary>
    public static string Artifacts { get; } = Directory.CreateDirectory(Path.Combine(Root, "artifacts", "bench")).FullName;

    /// <summary>Publishes a project as a program that needs nothing else, compiled ahead of time together with the runtime.</summary>
    /// <returns>The path of its program.</returns>
    public static string Publish(string project, string program)
    {
        var folder = Path.Combine(Artifacts, program);
        Start(
            "dotnet", s_nothing, "publish", Path.Combine(Root, project), "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier,
            "-p:PublishReadyToRun=true", "-p:PublishReadyToRunComposite=true", "--self-contained", "true", "-o", folder, "-v", "quiet");
        return Path.Combine(folder, OperatingSystem.IsWindows() ? $"{program}.exe" : program);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static void Start(string program, params string[] arguments) => Start(program, s_nothing, arguments);

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static void Start(string program, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using var process = Begin(program, environment, arguments);
        process.StandardOutput.ReadToEnd();
        End(process);
    }

    /// <summary>Runs a program to its end and looks at its memory all the time.</summary>
    /// <returns>The most that it was seen to hold in physical memory, files that it maps included, in bytes.</returns>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static long PeakMemory(string program, params string[] arguments)
    {
        using var process = Begin(program, s_nothing, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        long peak = 0;
        while (!process.HasExited)
        {
            try
            {
                process.Refresh();
                peak = Math.Max(peak, process.PeakWorkingSet64);
            }
            catch (InvalidOperationException)
            {
                // It ended in between.
            }
        }

        output.Wait();
        End(process);
        return peak;
    }

    private static Process Begin(string program, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static void End(Process process)
    {
        process.WaitForExit();
        if (process.ExitCode == 0) return;
        throw new InvalidOperationException(
            $"{process.StartInfo.FileName} {string.Join(' ', process.StartInfo.ArgumentList)} ended with exit code {process.ExitCode}");
    }

    private static string Find([CallerFilePath] string path = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", ".."));
}
