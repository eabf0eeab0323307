using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Frostline.Testing;

/// <summary>
/// The system's Python, with which results are compared. Debian's packages bring it: <c>python3-pil</c>, <c>python3-torch</c>.
/// </summary>
public static class PythonPeer
{
    private const string Interpreter = "/usr/bin/python3";

    private static readonly ConcurrentDictionary<string, Lazy<bool>> Available = new(StringComparer.Ordinal);

    /// <summary>Runs a script and returns what it printed; fails the running test where the script fails.</summary>
    /// <param name="module">
    /// The module that it needs, for example <c>PIL</c>; where that is missing the test is skipped, and fails under CI.
    /// </param>
    /// <param name="script">The program's text.</param>
    /// <param name="arguments">Its arguments, <c>sys.argv[1:]</c>.</param>
    public static string Run(string module, string script, params string[] arguments)
    {
        var available = Available.GetOrAdd(
            module,
            m => new Lazy<bool>(() => File.Exists(Interpreter) && Start($"import {m}", []).ExitCode == 0));
        if (!available.Value)
            Fixtures.SkipOrFail(
                $"{Interpreter} with the module {module} is missing; on Debian, apt-get install "
                + $"python3-{(module == "PIL" ? "pil" : module)}");
        var (exitCode, output, errors) = Start(script, arguments);
        Assert.True(exitCode == 0, string.Create(CultureInfo.InvariantCulture, $"python3 ended with {exitCode}: {errors}"));
        return output;
    }

    private static (int ExitCode, string Output, string Errors) Start(string script, string[] arguments)
    {
        var start = new ProcessStartInfo(Interpreter) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(script);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.GetAwaiter().GetResult());
    }
}
