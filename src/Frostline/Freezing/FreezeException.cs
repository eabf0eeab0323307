namespace Frostline.Freezing;

/// <summary>A freeze plan that cannot be applied, or a frozen part that did not stay as it was.</summary>
public sealed class FreezeException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: what, where, what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public FreezeException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>Names in a sentence: the first few, and how many more there are.</summary>
    internal static string Few(IReadOnlyCollection<string> names, int most = 3) =>
        string.Join(", ", names.Take(most)) + (names.Count > most ? $" and {names.Count - most} more" : "");
}
