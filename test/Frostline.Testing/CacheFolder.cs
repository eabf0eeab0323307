namespace Frostline.Testing;

/// <summary>
/// Gives the tests of a project, and the processes that they start, a folder of their own for features, so that none reads what others have
/// stored and nothing is left in the user's. As an assembly fixture it is made before the first test and removed after the last.
/// </summary>
public sealed class CacheFolder : IDisposable
{
    private const string Variable = "FROSTLINE_CACHE";

    private readonly TemporaryFolder _folder = new();
    private readonly string? _before = Environment.GetEnvironmentVariable(Variable);

    /// <summary>Makes the folder.</summary>
    public CacheFolder() => Environment.SetEnvironmentVariable(Variable, _folder.Path);

    /// <inheritdoc/>
    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Variable, _before);
        _folder.Dispose();
    }
}
