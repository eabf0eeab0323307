namespace Frostline.Selection;

/// <summary>A selector that cannot be read, or that matches nothing.</summary>
public sealed class SelectionException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: which selector, what is wrong and where in it, what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public SelectionException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
