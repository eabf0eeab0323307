namespace Frostline.Training.Jobs;

/// <summary>
/// When a phase begins, in words that cannot be misread: recipes count the epochs that are over (<c>from-epoch: 5</c>), logs and tables count
/// epochs from 1.
/// </summary>
internal static class PhaseWords
{
    /// <summary>When a phase begins.</summary>
    /// <param name="epoch">Its first epoch, from 1.</param>
    /// <param name="plateaus">How many plateaus it waits for; 0 for none.</param>
    public static string BeginOf(int epoch, int plateaus) => (epoch, plateaus) switch
    {
        (_, > 0) => FormattableString.Invariant($"after plateau {plateaus}"),
        (1, _) => "from the start",
        _ => $"after {EpochsBefore(epoch)}",
    };

    /// <summary>How many epochs are over when one begins.</summary>
    /// <param name="epoch">The epoch, from 1.</param>
    public static string EpochsBefore(int epoch) => epoch == 2 ? "1 epoch" : FormattableString.Invariant($"{epoch - 1} epochs");
}
