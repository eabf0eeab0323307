using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

public sealed class FeatureStoreLimitsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_given_comes_before_the_environment_and_that_before_the_default()
    {
        var environment = new Dictionary<string, string?> { ["FROSTLINE_CACHE_MAX_GB"] = "2.5", ["FROSTLINE_CACHE_KEEP_FREE_GB"] = "0" };
        var given = FeatureStoreOptions.WithLimits(1, 3, environment.GetValueOrDefault);
        Assert.Equal((1_000_000_000L, 3_000_000_000L), (given.MaximumBytes!.Value, given.MinimumFreeBytes));
        var fromEnvironment = FeatureStoreOptions.WithLimits(null, null, environment.GetValueOrDefault);
        Assert.Equal((2_500_000_000L, 0L), (fromEnvironment.MaximumBytes!.Value, fromEnvironment.MinimumFreeBytes));
        var byDefault = FeatureStoreOptions.WithLimits(null, null, _ => null);
        Assert.Equal((null, new FeatureStoreOptions().MinimumFreeBytes), (byDefault.MaximumBytes, byDefault.MinimumFreeBytes));
    }

    [Theory]
    [InlineData("many")]
    [InlineData("-1")]
    public void A_variable_that_is_no_number_of_gigabytes_is_named(string text)
    {
        var error = Assert.Throws<FeatureStoreException>(
            () => FeatureStoreOptions.WithLimits(null, null, name => name == FeatureStoreOptions.MaximumVariable ? text : null));
        Assert.Contains($"FROSTLINE_CACHE_MAX_GB is \"{text}\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Room_is_what_the_disk_and_the_limit_leave()
    {
        File.WriteAllBytes(_folder.PathOf("used"), new byte[300]);
        var options = new FeatureStoreOptions { MinimumFreeBytes = 1000, FreeBytes = _ => 5000 };
        Assert.Equal(4000, FeatureStores.Room(_folder.Path, options));
        Assert.Equal(700, FeatureStores.Room(_folder.Path, options with { MaximumBytes = 1000 }));
        Assert.Equal(0, FeatureStores.Room(_folder.Path, options with { MaximumBytes = 100 }));
        Assert.Equal(0, FeatureStores.Room(_folder.Path, options with { FreeBytes = _ => 10 }));
    }

    [Fact]
    public void Measuring_a_disk_leaves_nothing_behind()
    {
        var speed = DiskSpeed.Measure(_folder.PathOf("root"));
        Assert.True(speed is { Write: > 0, Read: > 0 });
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.PathOf("root")));
        File.WriteAllText(_folder.PathOf("file"), "");
        Assert.Throws<FeatureStoreException>(() => DiskSpeed.Measure(_folder.PathOf("file")));
    }
}
