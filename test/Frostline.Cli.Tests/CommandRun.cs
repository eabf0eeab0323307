using System.Text.Json;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Tests;

/// <summary>One run of the command inside the test process.</summary>
/// <param name="ExitCode">What it returned.</param>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="Error">What it wrote to standard error.</param>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    /// <summary>Runs the command as a program that reads its output would, without a terminal.</summary>
    public static CommandRun Of(params string[] args) => Of(args, CancellationToken.None);

    public static CommandRun Of(IReadOnlyList<string> args, CancellationToken cancellation)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var exitCode = CommandHost.Run(args, new Terminal(output, error), cancellation);
        return new CommandRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Standard output as one JSON value.</summary>
    public JsonElement Json()
    {
        using var document = JsonDocument.Parse(Output);
        return document.RootElement.Clone();
    }
}
