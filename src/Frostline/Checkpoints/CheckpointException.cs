namespace Frostline.Checkpoints;

/// <summary>A checkpoint that cannot be read or written: damaged, refused as unsafe, or lacking what was asked for.</summary>
public sealed class CheckpointException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line: which file, what is wrong and where in it, what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public CheckpointException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
