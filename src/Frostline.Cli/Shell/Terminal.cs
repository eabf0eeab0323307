using Spectre.Console;

namespace Frostline.Cli.Shell;

/// <summary>Where a command writes: results to standard output, everything else to standard error.</summary>
internal sealed class Terminal
{
    // Wide enough that no table ever wraps where a program or a file reads it.
    private const int WidthOfFiles = 4096;

    private readonly Func<TextWriter, bool> _isInteractive;

    /// <summary>Creates a terminal.</summary>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="isInteractive">Says of either writer whether a person watches it; null for neither.</param>
    public Terminal(TextWriter output, TextWriter error, Func<TextWriter, bool>? isInteractive = null)
    {
        Output = output;
        Error = error;
        _isInteractive = isInteractive ?? (static _ => false);
    }

    /// <summary>Standard output.</summary>
    public TextWriter Output { get; }

    /// <summary>Standard error.</summary>
    public TextWriter Error { get; }

    /// <summary>The terminal of this process.</summary>
    public static Terminal OfProcess() => new(
        System.Console.Out,
        System.Console.Error,
        static writer => ReferenceEquals(writer, System.Console.Out)
            ? !System.Console.IsOutputRedirected
            : !System.Console.IsErrorRedirected);

    /// <summary>What people read: on standard output, or on standard error where that belongs to the JSON.</summary>
    /// <param name="json">Whether standard output is for JSON alone.</param>
    public TextWriter Text(bool json) => json ? Error : Output;

    /// <summary>Whether a person watches what <see cref="Text"/> writes.</summary>
    /// <inheritdoc cref="Text"/>
    public bool IsInteractive(bool json) => _isInteractive(Text(json));

    /// <summary><see cref="Text"/> with progress bars; plain, without colours or wrapping, where nobody watches.</summary>
    /// <inheritdoc cref="Text"/>
    public IAnsiConsole Console(bool json)
    {
        var interactive = IsInteractive(json);
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(Text(json)),
            Ansi = interactive ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = interactive ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = interactive ? InteractionSupport.Yes : InteractionSupport.No,
        });
        if (!interactive) console.Profile.Width = WidthOfFiles;
        return console;
    }
}
