namespace Frostline.Staging;

/// <summary>
/// A feature store that cannot be used: its folder cannot be opened or written, or what is asked for does not fit what it holds.
/// Damage to what is stored is no error: such records are absent.
/// </summary>
public sealed class FeatureStoreException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: which folder, what is wrong, what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public FeatureStoreException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
