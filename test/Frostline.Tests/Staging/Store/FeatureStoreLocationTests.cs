using Frostline.Staging;
using Xunit;

namespace Frostline.Tests.Staging.Store;

public sealed class FeatureStoreLocationTests
{
    [Fact]
    public void The_explicit_folder_comes_before_the_environment_and_that_before_the_users_cache()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no XDG_CACHE_HOME");
        var all = new Dictionary<string, string?> { ["FROSTLINE_CACHE"] = "/big/cache", ["XDG_CACHE_HOME"] = "/home/me/c" };
        Assert.Equal("/here", FeatureStoreLocation.Root("/here", all.GetValueOrDefault));
        Assert.Equal("/big/cache/features", FeatureStoreLocation.Root(null, all.GetValueOrDefault));
        all["FROSTLINE_CACHE"] = "";
        Assert.Equal("/home/me/c/frostline/features", FeatureStoreLocation.Root("", all.GetValueOrDefault));
        all.Clear();
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        Assert.Equal(Path.Combine(home, ".cache/frostline/features"), FeatureStoreLocation.Root(null, all.GetValueOrDefault));
    }
}
