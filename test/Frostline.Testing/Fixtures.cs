using Xunit;

namespace Frostline.Testing;

/// <summary>Reference numbers, real weights and images that lie outside the repository.</summary>
public static class Fixtures
{
    /// <summary>The environment variable that says where the fixtures lie; default <c>../shared</c> from the repository's root.</summary>
    public const string EnvironmentVariable = "FROSTLINE_FIXTURES";

    /// <summary>The repository's root folder.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>The fixtures' folder, whether or not it exists.</summary>
    public static string Root { get; } =
        Environment.GetEnvironmentVariable(EnvironmentVariable) is { Length: > 0 } folder
            ? Path.GetFullPath(folder)
            : Path.GetFullPath(Path.Combine(Repository, "..", "shared"));

    /// <summary>Whether a missing fixture or tool is a failure instead of a reason to skip.</summary>
    public static bool IsContinuousIntegration =>
        string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase);

    /// <summary>The full path of a fixture; skips the running test where it is absent, and fails it under CI.</summary>
    /// <param name="relative">The path below the fixtures' folder, with forward slashes.</param>
    public static string PathOf(string relative)
    {
        var path = Path.Combine(Root, relative);
        if (!File.Exists(path) && !Directory.Exists(path)) SkipOrFail($"fixture {relative} is absent; set {EnvironmentVariable} to the fixtures' folder");
        return path;
    }

    /// <summary>Ends the running test: as skipped with a reason, or as failed under CI.</summary>
    public static void SkipOrFail(string reason)
    {
        if (IsContinuousIntegration) Assert.Fail(reason);
        Assert.Skip(reason);
    }

    private static string FindRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Frostline.slnx"))) return folder.FullName;
        throw new InvalidOperationException("The tests have to run from inside the repository.");
    }
}
