namespace Frostline;

/// <summary>
/// An error in what the user gave: a recipe, a checkpoint, a selector, a plan. Its message is one line that says what is
/// wrong, where, and what to do; the command prints it without a stack trace and ends with exit code 2. Anything else that
/// is thrown is a bug.
/// </summary>
public class FrostlineException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: what, where, what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public FrostlineException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
