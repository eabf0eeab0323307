namespace Frostline.Initialization;

/// <summary>
/// An initialisation that cannot be done as it is written: a rule without a match, a checkpoint that does not fit.
/// </summary>
public sealed class InitializationException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: which rule or tensor, what is wrong, what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public InitializationException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
