namespace Frostline.Staging;

/// <summary>Stages cannot be recorded, and so neither compiled nor exported; they still run, stage by stage.</summary>
public sealed class NotCompilableException : FrostlineException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What cannot be recorded, in one line.</param>
    public NotCompilableException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">What cannot be recorded, in one line.</param>
    /// <param name="inner">The cause.</param>
    public NotCompilableException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
