using System.Text.Json;
using Frostline.Training.Runs;

namespace Frostline.Training.Sweeps;

/// <summary>What a sweep came to: the content of <c>sweep.json</c>.</summary>
public sealed record SweepSummary
{
    /// <summary>The version of Frostline that trained.</summary>
    public required string Version { get; init; }

    /// <summary>The version of this format; this version of Frostline writes 1.</summary>
    public int Format { get; init; } = 1;

    /// <summary>What the training is called.</summary>
    public string? Name { get; init; }

    /// <summary>The number by which trials are compared: that which chooses the best epoch; <c>loss</c>, of training, without validation.</summary>
    public required string Metric { get; init; }

    /// <summary>Whether a greater one is better.</summary>
    public required bool HigherIsBetter { get; init; }

    /// <summary>The values of each key, as they were written.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<string>> Grid { get; init; }

    /// <summary>Whether all trials ended by themselves; false where the sweep was stopped.</summary>
    public required bool Complete { get; init; }

    /// <summary>The trials, the best first; those that diverged last.</summary>
    public required IReadOnlyList<TrialSummary> Trials { get; init; }

    /// <summary>The run of the best trial; null where there is none: before it has begun, where all diverged, or the sweep was stopped.</summary>
    public BestRun? Best { get; init; }

    /// <summary>How the part below the frost line was computed.</summary>
    public required PrefixSummary Prefix { get; init; }

    /// <summary>On how many rows it was evaluated for all trials together; checks of the engine are not counted.</summary>
    public required long PrefixRows { get; init; }

    /// <summary>How many rows of features came from the store.</summary>
    public required long StoredRows { get; init; }

    /// <summary>Of how many trials the heads were computed as one matrix product, which sums in another order than a head by itself.</summary>
    public required int Stacked { get; init; }

    /// <summary>Samples that could not be read and were left out, by name.</summary>
    public required IReadOnlyList<string> Unreadable { get; init; }

    /// <summary>How long all trials took together, in seconds; the run of the best one is not counted.</summary>
    public required double Seconds { get; init; }

    /// <summary>How many threads libtorch computed with.</summary>
    public required int Threads { get; init; }

    /// <summary>The summary as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunJson.Page);
}

/// <summary>Why a trial ended.</summary>
public enum TrialEnd
{
    /// <summary>It trained all of its epochs.</summary>
    Finished,

    /// <summary>Its metric stopped getting better.</summary>
    StoppedEarly,

    /// <summary>Its loss was no number any more.</summary>
    Diverged,

    /// <summary>The sweep was stopped.</summary>
    Cancelled,
}

/// <summary>One trial.</summary>
/// <param name="Trial">Its number, from 1, in the order of the grid: the last key changes fastest.</param>
/// <param name="Values">Its value of each key.</param>
/// <param name="Sets">The same for <c>frostline train --set</c>.</param>
/// <param name="Ended">Why it ended.</param>
/// <param name="Reason">What made it diverge; null where it did not.</param>
/// <param name="BestEpoch">The best epoch, from 1; null where none has ended.</param>
/// <param name="Metrics">The numbers of the best epoch by name; without validation its training <c>loss</c>.</param>
/// <param name="Epochs">The epochs that have ended.</param>
public sealed record TrialSummary(
    int Trial,
    IReadOnlyDictionary<string, string> Values,
    IReadOnlyList<string> Sets,
    TrialEnd Ended,
    string? Reason,
    int? BestEpoch,
    IReadOnlyDictionary<string, double> Metrics,
    IReadOnlyList<TrialEpoch> Epochs);

/// <summary>One epoch of a trial.</summary>
/// <param name="Epoch">Its number, from 1.</param>
/// <param name="Loss">The mean training loss.</param>
/// <param name="Metrics">The validation's numbers by name; empty without validation.</param>
public sealed record TrialEpoch(int Epoch, double Loss, IReadOnlyDictionary<string, double> Metrics);

/// <summary>The run of the best trial, a training by itself with its values.</summary>
/// <param name="Trial">The trial's number.</param>
/// <param name="Folder">The run folder, below that of the sweep.</param>
/// <param name="Complete">Whether the run has ended by itself.</param>
/// <param name="Difference">
/// By how much the numbers of its best epoch differ from those of the trial, the greatest of all relative to the number: 0 for equal bits. Null
/// where the run was stopped.
/// </param>
/// <param name="PrefixRows">On how many rows the run evaluated the frozen part; 0 where all came from the store.</param>
public sealed record BestRun(int Trial, string Folder, bool Complete, double? Difference, long PrefixRows);
