using System.Runtime.InteropServices;

namespace Frostline.Training.Jobs;

/// <summary>Turns libtorch's word for missing memory into advice.</summary>
internal static class MemoryHint
{
    private static readonly string[] s_signs =
        ["not enough memory", "out of memory", "can't allocate memory", "Cannot allocate memory"];

    /// <summary>Whether an error says that memory ran out.</summary>
    public static bool IsOutOfMemory(Exception error) =>
        error is OutOfMemoryException
        || (error is ExternalException && s_signs.Any(sign => error.Message.Contains(sign, StringComparison.OrdinalIgnoreCase)));

    /// <summary>The error for the user.</summary>
    /// <param name="error">libtorch's error.</param>
    /// <param name="batchSize">The batch size.</param>
    /// <param name="accumulate">How many batches are accumulated.</param>
    public static FrostlineException Explain(Exception error, int batchSize, int accumulate) => new(
        batchSize > 1
            ? $"memory ran out with batches of {batchSize}; halve train.batch-size to {batchSize / 2} and set train.accumulate "
                + $"to {accumulate * 2}, which gives the same steps in half the memory"
            : "memory ran out with batches of one sample; use smaller inputs or a smaller network, or freeze more of it",
        error);
}
