namespace Frostline.Cli.Shell;

/// <summary>What the command's exit code says.</summary>
internal static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Success = 0;

    /// <summary>A bug in the command; the stack trace is on standard error.</summary>
    public const int Bug = 1;

    /// <summary>Something in what the user gave is wrong; one line on standard error says what.</summary>
    public const int BadInput = 2;

    /// <summary>
    /// A comparison found differences, or a check damage. Not 1, as other programs have it: that is a bug here, and a script must be able to tell.
    /// </summary>
    public const int Different = 3;

    /// <summary>Stopped by Ctrl-C or by the system, with everything saved; the number that shells use for SIGINT.</summary>
    public const int Interrupted = 130;
}
