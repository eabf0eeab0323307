namespace Frostline.Native;

/// <summary>libtorch could not be loaded. The message says which library, what it lacks, and what to install.</summary>
public sealed class NativeLibraryException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: which library, what is missing, what to install.</param>
    /// <param name="inner">The loader's own error, or null.</param>
    public NativeLibraryException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
