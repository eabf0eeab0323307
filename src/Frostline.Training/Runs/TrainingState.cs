using Frostline.Optimization;
using Frostline.Training.Jobs;

namespace Frostline.Training.Runs;

/// <summary>
/// Where a training is, beside its tensors: everything that resuming needs to go on with the same bits. libtorch's generator is
/// not part of it, since it is seeded anew for every batch.
/// </summary>
public sealed record TrainingState
{
    /// <summary>The version of this format; this version of Frostline writes 1.</summary>
    public int Version { get; init; } = 1;

    /// <summary>The current epoch, from 0.</summary>
    public int Epoch { get; init; }

    /// <summary>The number of the next batch in the epoch, from 0.</summary>
    public int Batch { get; init; }

    /// <summary>How many optimizer steps the epoch has had.</summary>
    public int StepInEpoch { get; init; }

    /// <summary>How many optimizer steps there have been in all.</summary>
    public long Step { get; init; }

    /// <summary>How many batches' gradients wait for the next step.</summary>
    public int Pending { get; init; }

    /// <summary>The weight of the batches that wait.</summary>
    public double PendingWeight { get; init; }

    /// <summary>The sum of their losses, each times its weight.</summary>
    public double PendingLoss { get; init; }

    /// <summary>The sum of the epoch's losses, each times its weight.</summary>
    public double LossSum { get; init; }

    /// <summary>The sum of their weights.</summary>
    public double LossWeight { get; init; }

    /// <summary>How long the epoch has taken so far.</summary>
    public double EpochSeconds { get; init; }

    /// <summary>On how many rows the frozen prefix was evaluated in the epoch so far.</summary>
    public long EpochPrefixRows { get; init; }

    /// <summary>How many rows of features came from a store in the epoch so far.</summary>
    public long EpochStoredRows { get; init; }

    /// <summary>How long building and initialising took when the training began.</summary>
    public double InitializeSeconds { get; init; }

    /// <summary>The learning-rate schedule's memory.</summary>
    public ScheduleState Schedule { get; init; } = new();

    /// <summary>Early stopping's memory.</summary>
    public MetricWatchState EarlyStopping { get; init; } = new();

    /// <summary>The memory of the watch for plateaus.</summary>
    public MetricWatchState Plateau { get; init; } = new();

    /// <summary>For each plateau so far the epoch, from 0, at whose beginning it was over: rules that wait for it hold from then on.</summary>
    public IReadOnlyList<int> Plateaus { get; init; } = [];

    /// <summary>The best epoch so far.</summary>
    public BestSummary? Best { get; init; }

    /// <summary>The epochs that have ended.</summary>
    public IReadOnlyList<EpochSummary> Epochs { get; init; } = [];

    /// <summary>How long <c>metrics.jsonl</c> is, in bytes; what lies behind is cut off when the training is resumed.</summary>
    public long MetricsLength { get; init; }

    /// <summary>How the frozen prefix was computed.</summary>
    public PrefixSummary Prefix { get; init; } = new(null, [], null, null);

    /// <summary>How many threads libtorch computes with.</summary>
    public int Threads { get; init; }

    /// <summary>Whether training has ended by itself, and how.</summary>
    public RunEnd? Ended { get; init; }

    /// <summary>Samples that could not be read and were left out, by name.</summary>
    public IReadOnlyList<string> Unreadable { get; init; } = [];
}
