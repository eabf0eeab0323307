using System.CommandLine;
using System.CommandLine.Invocation;
using Frostline.Cli.Commands;

namespace Frostline.Cli.Shell;

/// <summary>Finds and runs the command that the arguments ask for, and makes one line and an exit code of what it throws.</summary>
internal static class CommandHost
{
    /// <summary>Runs the command line.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <param name="terminal">Where to write.</param>
    /// <param name="cancellation">Cancelled when the user asks to stop.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static int Run(IReadOnlyList<string> args, Terminal terminal, CancellationToken cancellation = default) =>
        Run(CreateRoot(terminal, cancellation), args, terminal, cancellation);

    /// <inheritdoc cref="Run(IReadOnlyList{string}, Terminal, CancellationToken)"/>
    internal static int Run(RootCommand root, IReadOnlyList<string> args, Terminal terminal, CancellationToken cancellation)
    {
        try
        {
            var result = root.Parse(args);
            if (result.Action is ParseErrorAction or null || result.Errors.Count > 0)
                throw new FrostlineException(UsageErrors.Explain(result));
            return result.Invoke(new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (FrostlineException e)
        {
            return Fail(terminal, e.Message, ExitCodes.BadInput);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return Fail(terminal, "stopped", ExitCodes.Interrupted);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk or a missing right is the user's to mend; the message names the file.
            return Fail(terminal, e.Message, ExitCodes.BadInput);
        }
        catch (Exception e)
        {
            terminal.Error.WriteLine($"frostline: this is a bug in frostline {Version}: {e}");
            return ExitCodes.Bug;
        }
    }

    /// <summary>The version of the command, as <c>--version</c> prints it.</summary>
    public static string Version { get; } = typeof(CommandHost).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    private static RootCommand CreateRoot(Terminal terminal, CancellationToken cancellation)
    {
        var root = new RootCommand("Fine-tunes pretrained networks and proves that what was frozen did not move.")
        {
            TrainCommand.Create(terminal, cancellation),
            SweepCommand.Create(terminal, cancellation),
            EvaluateCommand.Create(terminal, cancellation),
            PredictCommand.Create(terminal, cancellation),
            PlanCommand.Create(terminal),
            DoctorCommand.Create(terminal),
            InspectCommand.Create(terminal),
            ConvertCommand.Create(terminal),
            AverageCommand.Create(terminal),
            DiffCommand.Create(terminal),
            HashCommand.Create(terminal),
            AuditCommand.Create(terminal),
            ExportCommand.Create(terminal),
            ProvenanceCommand.Create(terminal),
            CacheCommand.Create(terminal, cancellation),
            SchemaCommand.Create(terminal),
        };
        // The default asks the entry assembly, which is another one where the command runs inside a program.
        foreach (var option in root.Options.OfType<VersionOption>()) option.Action = new PrintVersion();
        return root;
    }

    private static int Fail(Terminal terminal, string message, int exitCode)
    {
        // One error, one line, so that scripts and logs can rely on it.
        var lines = message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        terminal.Error.WriteLine($"frostline: {string.Join(' ', lines)}");
        return exitCode;
    }

    private sealed class PrintVersion : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(Version);
            return ExitCodes.Success;
        }
    }
}
