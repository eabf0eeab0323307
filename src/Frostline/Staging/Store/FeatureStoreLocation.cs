namespace Frostline.Staging;

/// <summary>Where feature stores are kept.</summary>
public static class FeatureStoreLocation
{
    /// <summary>The environment variable that names Frostline's cache folder.</summary>
    public const string Variable = "FROSTLINE_CACHE";

    /// <summary>
    /// The folder of all stores: what is given; else <c>features</c> in the folder that <see cref="Variable"/> names; else
    /// <c>frostline/features</c> in the user's cache folder, which is <c>XDG_CACHE_HOME</c>, by default <c>~/.cache</c>, and
    /// <c>LocalApplicationData</c> on Windows.
    /// </summary>
    /// <param name="folder">The folder that a recipe or a user names, or null.</param>
    /// <returns>A full path; the folder need not exist.</returns>
    public static string Root(string? folder = null) => Root(folder, Environment.GetEnvironmentVariable);

    internal static string Root(string? folder, Func<string, string?> variable)
    {
        if (!string.IsNullOrEmpty(folder)) return Path.GetFullPath(folder);
        if (variable(Variable) is { Length: > 0 } cache) return Path.GetFullPath(Path.Combine(cache, "features"));
        return Path.GetFullPath(Path.Combine(UserCache(variable), "frostline", "features"));
    }

    private static string UserCache(Func<string, string?> variable)
    {
        if (OperatingSystem.IsWindows()) return Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
        if (variable("XDG_CACHE_HOME") is { Length: > 0 } cache) return cache;
        return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
    }
}
