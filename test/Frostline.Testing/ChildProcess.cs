using System.Diagnostics;

namespace Frostline.Testing;

/// <summary>How a child process ended.</summary>
/// <param name="ExitCode">Its exit code; on Unix 128 + the signal that ended it.</param>
/// <param name="Output">What it wrote to its standard output.</param>
/// <param name="Errors">What it wrote to its standard error.</param>
public sealed record ChildResult(int ExitCode, string Output, string Errors);

/// <summary>Runs .NET programs in processes of their own.</summary>
public static class ChildProcess
{
    private static readonly Dictionary<string, string> s_nothing = [];

    /// <summary>The dotnet host that runs this process.</summary>
    public static string Host { get; } = Path.GetFullPath(
        Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));

    /// <summary>
    /// The program Frostline.ChildProcess in its own folder, where it has other dependencies than the tests; of the build that is running.
    /// </summary>
    public static string Program
    {
        get
        {
            var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(
                Fixtures.Repository, "test", "Frostline.ChildProcess", "bin", output.Parent!.Name, output.Name, "Frostline.ChildProcess.dll");
        }
    }

    /// <summary>Starts a program without waiting for it; the caller disposes it.</summary>
    /// <param name="assembly">The program's dll.</param>
    /// <param name="arguments">Its arguments.</param>
    public static Process Start(string assembly, params IReadOnlyList<string> arguments) => Start(assembly, s_nothing, arguments);

    private static Process Start(string assembly, IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(Host) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(assembly);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start) ?? throw new InvalidOperationException($"{Host} did not start");
    }

    /// <summary>Runs a program to its end.</summary>
    /// <param name="assembly">The program's dll.</param>
    /// <param name="timeout">After which it is ended and the test fails.</param>
    /// <param name="arguments">Its arguments.</param>
    public static ChildResult Run(string assembly, TimeSpan timeout, params IReadOnlyList<string> arguments) =>
        Run(assembly, timeout, s_nothing, arguments);

    /// <summary>Runs a program to its end, with environment variables besides this process's.</summary>
    /// <param name="assembly">The program's dll.</param>
    /// <param name="timeout">After which it is ended and the test fails.</param>
    /// <param name="environment">The variables.</param>
    /// <param name="arguments">Its arguments.</param>
    public static ChildResult Run(
        string assembly, TimeSpan timeout, IReadOnlyDictionary<string, string> environment, params IReadOnlyList<string> arguments)
    {
        using var process = Start(assembly, environment, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeout))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Path.GetFileName(assembly)} {string.Join(' ', arguments)} was still running after {timeout}");
        }

        process.WaitForExit();
        return new ChildResult(process.ExitCode, output.GetAwaiter().GetResult(), errors.GetAwaiter().GetResult());
    }
}
