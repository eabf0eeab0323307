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

    /// <summary>
    /// Which rule of the plan cannot be done, counted from 0 in the order in which rules were added (<c>Require</c> does not count);
    /// null where the error is not of one rule.
    /// </summary>
    public int? Rule { get; init; }
}
