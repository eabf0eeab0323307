using Frostline.Training.Features;
using Xunit;

namespace Frostline.Training.Tests.Features;

public sealed class CachePlannerTests
{
    // 1,000 images of 25 ms and 8 kB in 30 epochs on a disk of 500 MB/s.
    private static readonly CacheCosts s_resnet50 = new(1000, 200, Variants: 1, Epochs: 30, RowBytes: 8192, RowSeconds: 0.025)
    {
        WriteSpeed = 5e8,
        ReadSpeed = 5e8,
        Room = 10_000_000_000,
        Memory = 8_000_000_000,
    };

    [Fact]
    public void Reading_that_is_faster_than_computing_is_stored_and_the_reason_has_the_numbers()
    {
        var decision = CachePlanner.Decide(s_resnet50, isWanted: false);
        Assert.True(decision.Use);
        Assert.Equal("1,200 rows of 8.2 kB, 9.8 MB in all: 30 s once and 0.0098 s an epoch instead of 30 s an epoch for 30 epochs", decision.Reason);
        Assert.Null(CachePlanner.IsCheap(s_resnet50));
    }

    [Fact]
    public void One_epoch_is_stored_only_where_the_features_are_there_already_or_it_is_wanted()
    {
        var once = s_resnet50 with { Epochs = 1 };
        Assert.False(CachePlanner.Decide(once, isWanted: false).Use);
        Assert.True(CachePlanner.Decide(once, isWanted: true).Use);
        var stored = CachePlanner.Decide(once with { StoredRows = 1200 }, isWanted: false);
        Assert.True(stored.Use);
        Assert.Contains("1,200 rows are stored already", stored.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Variants_are_stored_only_as_far_as_the_epochs_reach_them()
    {
        Assert.Equal((4 * 1000) + 200, (s_resnet50 with { Variants = 4 }).Rows);
        Assert.Equal((30 * 1000) + 200, (s_resnet50 with { Variants = 100 }).Rows);
        // As many variants as epochs: everything is computed once either way.
        Assert.False(CachePlanner.Decide(s_resnet50 with { Variants = 30, ValidateRows = 0 }, isWanted: false).Use);
    }

    [Fact]
    public void A_slow_disk_with_large_features_is_not_used_when_they_outgrow_memory()
    {
        var large = s_resnet50 with { RowBytes = 3_200_000, ReadSpeed = 5e7, RowSeconds = 0.006, Memory = 1_000_000_000 };
        var decision = CachePlanner.Decide(large, isWanted: false);
        Assert.False(decision.Use);
        Assert.Contains("too little", decision.Reason, StringComparison.Ordinal);
        Assert.True(CachePlanner.Decide(large with { Memory = 8_000_000_000 }, isWanted: false).Use);
        Assert.Contains("chunk by chunk", CachePlanner.Decide(large, isWanted: true).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_short_disk_is_not_used_even_if_it_is_wanted()
    {
        var decision = CachePlanner.Decide(s_resnet50 with { Room = 1_000_000 }, isWanted: true);
        Assert.False(decision.Use);
        Assert.Contains("only 1 MB may still be written", decision.Reason, StringComparison.Ordinal);
        // What is stored already need not be written.
        Assert.True(CachePlanner.Decide(s_resnet50 with { Room = 1_000_000, StoredRows = 1150 }, isWanted: false).Use);
    }

    [Fact]
    public void Little_work_is_not_worth_a_look_at_the_disk()
    {
        Assert.Contains("too little", CachePlanner.IsCheap(s_resnet50 with { RowSeconds = 1e-5 }), StringComparison.Ordinal);
    }
}
