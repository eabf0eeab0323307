using System.Globalization;

namespace Frostline.Training.Features;

/// <summary>What storing features would cost and save, as measured.</summary>
/// <param name="TrainRows">How many rows an epoch of training visits.</param>
/// <param name="ValidateRows">How many rows a validation visits; 0 without one.</param>
/// <param name="Variants">How many versions of each training sample would be stored.</param>
/// <param name="Epochs">How many epochs the prefix stays as it is.</param>
/// <param name="RowBytes">How many bytes the features of a row take.</param>
/// <param name="RowSeconds">How long the prefix takes for one row, its decoding included.</param>
internal sealed record CacheCosts(long TrainRows, long ValidateRows, int Variants, int Epochs, long RowBytes, double RowSeconds)
{
    /// <summary>How fast records are copied that lie in memory, in bytes a second; a cautious figure.</summary>
    private const double MemorySpeed = 1e9;

    /// <summary>How many rows are stored already; default 0.</summary>
    public long StoredRows { get; init; }

    /// <summary>How many bytes a second the disk writes; default: as many as memory.</summary>
    public double WriteSpeed { get; init; } = MemorySpeed;

    /// <summary>How many bytes a second the disk reads; default: as many as memory.</summary>
    public double ReadSpeed { get; init; } = MemorySpeed;

    /// <summary>How many bytes may be written; default: any number.</summary>
    public long Room { get; init; } = long.MaxValue;

    /// <summary>How many bytes of memory are left for what is read; default: any number.</summary>
    public long Memory { get; init; } = long.MaxValue;

    /// <summary>How many rows would be stored.</summary>
    public long Rows => (TrainRows * Math.Min(Variants, Epochs)) + ValidateRows;

    /// <summary>How many bytes would be stored.</summary>
    public long Bytes => Rows * RowBytes;

    /// <summary>How many of them would have to be written.</summary>
    public long NewBytes => Math.Max(0, Rows - StoredRows) * RowBytes;

    /// <summary>Whether the features do not fit into memory.</summary>
    public bool OutgrowsMemory => Bytes > Memory;

    /// <summary>How long an epoch's prefix takes when all is computed, in seconds.</summary>
    public double ComputeSeconds => (TrainRows + ValidateRows) * RowSeconds;

    /// <summary>How long an epoch takes to read, in seconds.</summary>
    public double ReadSeconds => (TrainRows + ValidateRows) * RowBytes / (OutgrowsMemory ? ReadSpeed : MemorySpeed);

    /// <summary>How long it takes to compute and write what is not stored yet, in seconds.</summary>
    public double FirstSeconds => Math.Max(0, Rows - StoredRows) * (RowSeconds + (RowBytes / WriteSpeed));

    /// <summary>What all epochs take without a store, in seconds.</summary>
    public double TotalWithout => Epochs * ComputeSeconds;

    /// <summary>What they take with one.</summary>
    public double TotalWith => FirstSeconds + (Epochs * ReadSeconds);
}

/// <summary>Whether features are stored, and why.</summary>
/// <param name="Use">Whether they are.</param>
/// <param name="Reason">Why, in one line.</param>
internal sealed record CacheDecision(bool Use, string Reason);

/// <summary>Decides from measured costs whether features are stored.</summary>
internal static class CachePlanner
{
    // Less is not worth files on the disk, and near the limit one and the same training would be decided now this way, now that.
    private const double LeastSeconds = 2, LeastShare = 0.2;

    /// <summary>Whether computing is so cheap that the disk need not be looked at; null where it is not, else a line that says so.</summary>
    /// <param name="costs">What was measured without the disk.</param>
    public static string? IsCheap(CacheCosts costs) => Saved(costs) >= LeastSeconds
        ? null
        : $"the prefix takes {Seconds(costs.TotalWithout)} in {Epochs(costs)}, of which a store would save {Seconds(Math.Max(0, Saved(costs)))}, too little";

    /// <summary>Decides.</summary>
    /// <param name="costs">What was measured.</param>
    /// <param name="isWanted">Whether the recipe says so; then only the lack of room speaks against it.</param>
    public static CacheDecision Decide(CacheCosts costs, bool isWanted)
    {
        var size = $"{Count(costs.Rows)} rows of {Size(costs.RowBytes)}, {Size(costs.Bytes)} in all";
        if (costs.NewBytes > costs.Room)
            return new CacheDecision(false, $"{size}: only {Size(costs.Room)} may still be written; free the disk, raise max-gigabytes or run frostline cache prune");
        var times = $"{Seconds(costs.FirstSeconds)} once and {Seconds(costs.ReadSeconds)} an epoch instead of {Seconds(costs.ComputeSeconds)} an epoch";
        var saved = Saved(costs);
        if (isWanted || (saved >= LeastSeconds && saved >= LeastShare * costs.TotalWithout))
            return new CacheDecision(true, $"{size}: {times} for {Epochs(costs)}{Remarks(costs)}");
        return new CacheDecision(false, $"{size}: {times} would save {Seconds(Math.Max(0, saved))} in {Epochs(costs)}, too little");
    }

    private static double Saved(CacheCosts costs) => costs.TotalWithout - costs.TotalWith;

    private static string Epochs(CacheCosts costs) => costs.Epochs == 1 ? "1 epoch" : $"{costs.Epochs} epochs";

    private static string Remarks(CacheCosts costs) =>
        (costs.StoredRows > 0 ? $"; {Count(Math.Min(costs.StoredRows, costs.Rows))} rows are stored already" : "")
            + (costs.OutgrowsMemory ? "; they do not fit into memory, and are read ahead and shuffled chunk by chunk" : "");

    private static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Seconds(double seconds) => string.Create(
        CultureInfo.InvariantCulture, $"{(seconds >= 10 ? Math.Round(seconds) : double.Parse(seconds.ToString("G2", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture))} s");

    private static string Size(long bytes) => bytes switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.#} GB"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.#} MB"),
        >= 1_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.#} kB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
    };
}
