namespace Frostline.Testing;

/// <summary>
/// The name of the test collection for all tests that use libtorch: its random generator and its number of threads belong to
/// the process, so such tests run one after the other.
/// </summary>
public static class LibTorchCollection
{
    /// <summary>The collection's name.</summary>
    public const string Name = "libtorch";
}
